//! Converts between HTTP/1.1 and HTTP/2. Internally every request has the form of HTTP/1.1: its target is a path, and its host is
//! in `Host`.

use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use hyper::body::Body;

use super::headers::is_field_name;
use crate::proxy::settings::Base;

/// Joins the `Cookie` lines that HTTP/2 allows to be split (RFC 9113 §8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut cookie_lines = headers.get_all(header::COOKIE).iter();
    if cookie_lines.next().is_none() || cookie_lines.next().is_none() {
        return;
    }
    let cookie_lines: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(mut line) = HeaderValue::from_bytes(&cookie_lines.join(&b"; "[..])) {
        line.set_sensitive(true);
        headers.insert(header::COOKIE, line);
    }
}

/// Checks what h2 does not check in a request, and merges equal Content-Length headers.
pub(crate) fn repair(head: &mut Parts, lengths: bool) -> Result<(), &'static str> {
    // Without `:authority` the scheme is empty, which is harmless.
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

/// Whether servers expect Content-Length even without a body (RFC 9110 §8.6): some respond 411 otherwise.
pub(crate) fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Sets Content-Length to the actual length if the caller sent one, and to 0 if there is no body where one is expected.
fn set_content_length<B: Body>(request: &mut Request<B>) {
    let announced = request.headers().contains_key(header::CONTENT_LENGTH);
    if request.body().is_end_stream() && (announced || expects_body(request.method())) {
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    } else if let (true, Some(length)) = (announced, request.body().size_hint().exact()) {
        request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
}

/// Adapts a request to HTTP/2: no `Host` beside `:authority`, and no hop-by-hop headers (RFC 9113 §8.2.2, §8.3.1).
pub(crate) fn for_http2<B: Body>(request: &mut Request<B>, base: &Base) {
    *request.version_mut() = Version::HTTP_2;
    absolute(request.uri_mut(), base);
    for name in [header::HOST, header::TRANSFER_ENCODING, header::CONNECTION] {
        request.headers_mut().remove(name);
    }
    set_content_length(request);
}

/// Makes a target absolute, as HTTP/2 and outbound proxies require.
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
    fn over_http2_the_host_is_part_of_the_target() {
        for target in ["/a%2Fb?q=%20&&", "*", "/"] {
            let mut request = Request::builder().uri(target).header("host", "api.example.com:8443");
            let headers = request.headers_mut().unwrap();
            headers.insert("te", HeaderValue::from_static("trailers"));
            headers.insert("connection", HeaderValue::from_static("TE"));
            let mut request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
            for_http2(&mut request, &base());
            assert_eq!(request.uri().authority().unwrap(), "api.example.com:8443");
            assert_eq!(request.uri().scheme_str(), Some("https"));
            assert!(!request.headers().contains_key("host") && !request.headers().contains_key("connection"));
            assert_eq!(request.headers()["te"], "trailers");
            assert_eq!(request.uri().path_and_query().unwrap().as_str(), target);
        }
    }

    #[test]
    fn split_cookie_lines_are_joined() {
        for (cookie_lines, line) in [(&["a=1"][..], "a=1"), (&["a=1", "b=2; c=3", "d=\"4\""], "a=1; b=2; c=3; d=\"4\"")]
        {
            let mut headers = HeaderMap::new();
            for cookie in cookie_lines {
                headers.append(header::COOKIE, HeaderValue::from_static(cookie));
            }
            join_cookies(&mut headers);
            let lines: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
            assert_eq!(lines, [line]);
        }
    }
}
