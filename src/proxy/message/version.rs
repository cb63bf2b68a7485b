//! What differs on the wire between HTTP/1.1 and HTTP/2. Inside, a request is HTTP/1.1: its target a path, its host in
//! `Host`.

use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use hyper::body::Body;

use super::headers::is_field_name;
use crate::proxy::settings::Base;

/// Makes one `Cookie` line of the crumbs that HTTP/2 may split it into (RFC 9113 §8.2.3).
pub(crate) fn join_crumbs(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(mut line) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        line.set_sensitive(true);
        headers.insert(header::COOKIE, line);
    }
}

/// What is wrong with a request of HTTP/2 that its library lets pass. Lengths that are the same are one.
pub(crate) fn repair(head: &mut Parts, lengths: bool) -> Result<(), &'static str> {
    // Without `:authority` the scheme is not kept, and nothing is made of it.
    if head.uri.scheme_str().is_some_and(str::is_empty) {
        return Err("the scheme is empty");
    }
    if !head.headers.keys().all(is_field_name) {
        return Err("invalid header name");
    }
    if lengths {
        let mut lines = head.headers.get_all(header::CONTENT_LENGTH).iter();
        let first = lines.next().cloned();
        let mut others = lines.peekable();
        if let (Some(first), true) = (first, others.peek().is_some()) {
            if others.any(|other| other != first) {
                return Err("more than one Content-Length");
            }
            head.headers.insert(header::CONTENT_LENGTH, first);
        }
    }
    Ok(())
}

/// Whether servers want to be told that there is no body (RFC 9110 §8.6): some answer 411 otherwise.
pub(crate) fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Says once how long the body is, if anybody has said it, and that there is none where one is expected.
fn say_length<B: Body>(request: &mut Request<B>) {
    let told = request.headers().contains_key(header::CONTENT_LENGTH);
    if request.body().is_end_stream() && (told || expects_body(request.method())) {
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    } else if let (true, Some(length)) = (told, request.body().size_hint().exact()) {
        request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
}

/// Makes a request one of HTTP/2: no `Host` beside `:authority`, and nothing of the connection (RFC 9113 §8.2.2, §8.3.1).
pub(crate) fn for_http2<B: Body>(request: &mut Request<B>, base: &Base) {
    *request.version_mut() = Version::HTTP_2;
    absolute(request.uri_mut(), base);
    for name in [header::HOST, header::TRANSFER_ENCODING] {
        request.headers_mut().remove(name);
    }
    say_length(request);
}

/// Names scheme and host in the target, as HTTP/2 and an outbound proxy want it.
pub(crate) fn absolute(target: &mut Uri, base: &Base) {
    let mut parts = std::mem::take(target).into_parts();
    parts.scheme = Some(if base.tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = base.authority.to_str().ok().and_then(|authority| authority.parse().ok());
    parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    *target = Uri::from_parts(parts).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use http_body_util::Empty;

    use super::*;

    fn base() -> Base {
        Base::parse("https://api.example.com:8443/v1").unwrap()
    }

    #[test]
    fn in_http2_the_host_stands_in_the_target() {
        for target in ["/a%2Fb?q=%20&&", "*", "/"] {
            let mut request = Request::builder().uri(target).header("host", "api.example.com:8443");
            request.headers_mut().unwrap().insert("te", HeaderValue::from_static("trailers"));
            let mut request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
            for_http2(&mut request, &base());
            assert_eq!(request.uri().authority().unwrap(), "api.example.com:8443");
            assert_eq!(request.uri().scheme_str(), Some("https"));
            assert!(!request.headers().contains_key("host"));
            assert_eq!(request.headers()["te"], "trailers");
            assert_eq!(request.uri().path_and_query().unwrap().as_str(), target);
        }
    }

    #[test]
    fn crumbs_become_one_line_and_one_line_stays() {
        for (crumbs, line) in [(&["a=1"][..], "a=1"), (&["a=1", "b=2; c=3", "d=\"4\""], "a=1; b=2; c=3; d=\"4\"")] {
            let mut headers = HeaderMap::new();
            for crumb in crumbs {
                headers.append(header::COOKIE, HeaderValue::from_static(crumb));
            }
            join_crumbs(&mut headers);
            let lines: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
            assert_eq!(lines, [line]);
        }
    }
}
