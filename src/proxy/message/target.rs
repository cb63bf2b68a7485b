//! Builds the request target: the base path and the caller's path and query, joined byte for byte. No URL is parsed or resolved,
//! so a caller cannot change the host.

use std::borrow::Cow;

use http::uri::PathAndQuery;
use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use crate::guard;
use crate::proxy::error::ProxyError;

/// Checks the request target and returns its raw path. The authority of an absolute target is ignored.
pub(crate) fn path<'a>(method: &Method, uri: &'a Uri) -> Result<&'a str, ProxyError> {
    match *method {
        Method::CONNECT => return Err(ProxyError::Unsupported("CONNECT is not supported")),
        // The response would show the caller the request as it was sent, token included (RFC 9110 §9.3.8).
        Method::TRACE => return Err(ProxyError::Unsupported("TRACE is not supported")),
        _ => {}
    }
    match uri.path() {
        "*" if *method == Method::OPTIONS => Ok("/"),
        path if path.starts_with('/') => Ok(path),
        _ => Err(ProxyError::BadRequest("the request target is not a path")),
    }
}

/// Whether any server might see a `.` or `..` segment in the path, plain or percent-encoded.
pub(crate) fn has_dot_segment(path: &str) -> bool {
    path.contains(['.', '%']) && guard::has_dot_segment(&Cow::from(percent_decode_str(path)))
}

/// How one route changes targets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join<'a> {
    /// The prefix to remove from the caller's path.
    pub(crate) mount: &'a str,
    /// The prefix to add.
    pub(crate) base: &'a str,
    /// Query parameters of the caller that must not be forwarded.
    pub(crate) owned: &'a [String],
    /// Query parameters to set, percent-encoded.
    pub(crate) query: &'a [(String, String)],
}

impl Join<'_> {
    /// The target to send. Unchanged unless the route changes it.
    pub(crate) fn target(&self, uri: Uri) -> Result<Uri, ProxyError> {
        if uri.path() == "*" {
            return Ok(Uri::from_static("*"));
        }
        let plain = self.mount.is_empty() && self.base.is_empty() && self.owned.is_empty() && self.query.is_empty();
        if plain && uri.authority().is_none() {
            return Ok(uri);
        }
        let rest = uri.path().strip_prefix(self.mount).unwrap_or(uri.path());
        let mut target = String::with_capacity(self.base.len().saturating_add(uri.path().len()).saturating_add(64));
        target.push_str(self.base);
        target.push_str(rest);
        if target.is_empty() {
            target.push('/');
        }
        if let Some(query) = self.query(uri.query()) {
            target.push('?');
            target.push_str(&query);
        }
        let target: PathAndQuery =
            target.try_into().map_err(|_| ProxyError::BadRequest("the request target is too long"))?;
        Ok(target.into())
    }

    fn query<'a>(&self, sent: Option<&'a str>) -> Option<Cow<'a, str>> {
        if self.owned.is_empty() && self.query.is_empty() {
            return sent.map(Cow::Borrowed);
        }
        let own = self.query.iter().map(|(name, value)| format!("{name}={value}"));
        let theirs =
            sent.into_iter().flat_map(|sent| sent.split('&')).filter(|pair| !self.owns(pair)).map(str::to_owned);
        let pairs: Vec<_> = theirs.chain(own).collect();
        (!pairs.is_empty()).then(|| pairs.join("&").into())
    }

    fn owns(&self, pair: &str) -> bool {
        let name = decoded_name(pair.split('=').next().unwrap_or_default());
        self.owned.contains(&name) || self.query.iter().any(|(own, _)| decoded_name(own) == name)
    }
}

fn decoded_name(raw: &str) -> String {
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(mount: &str, base: &str, target: &'static str) -> String {
        let join = Join { mount, base, owned: &[], query: &[] };
        join.target(Uri::from_static(target)).unwrap().to_string()
    }

    #[test]
    fn paths_are_joined_byte_for_byte() {
        for (mount, base, sent, target) in [
            ("", "", "/a%2Fb?q=%20+x&&", "/a%2Fb?q=%20+x&&"),
            ("", "/v1", "/", "/v1/"),
            ("", "/v1", "/a//b", "/v1/a//b"),
            ("/y", "", "/y", "/"),
            ("/y", "", "/y?a=b", "/?a=b"),
            ("/y", "/v1", "/y", "/v1"),
            ("/y", "/v1", "/y/", "/v1/"),
            ("/y", "/v1", "/y/a?", "/v1/a?"),
            ("", "", "http://evil.example/a?b", "/a?b"),
            ("", "/v1", "http://evil.example", "/v1/"),
            ("", "", "//evil.example/a", "//evil.example/a"),
        ] {
            assert_eq!(joined(mount, base, sent), target, "{mount} {base} {sent}");
        }
    }

    #[test]
    fn only_a_path_or_the_asterisk_of_options_is_accepted() {
        let path = |method: Method, uri: &'static str| path(&method, &Uri::from_static(uri)).map(str::to_owned);
        assert_eq!(path(Method::GET, "http://h/x?y"), Ok("/x".to_owned()));
        assert_eq!(path(Method::OPTIONS, "*"), Ok("/".to_owned()));
        assert!(matches!(path(Method::GET, "*"), Err(ProxyError::BadRequest(_))));
        assert!(matches!(path(Method::GET, "h:80"), Err(ProxyError::BadRequest(_))));
        assert!(matches!(path(Method::CONNECT, "h:80"), Err(ProxyError::Unsupported(_))));
        assert!(matches!(path(Method::TRACE, "/"), Err(ProxyError::Unsupported(_))));
        let join = Join { mount: "", base: "/v1", owned: &[], query: &[] };
        assert_eq!(join.target(Uri::from_static("*")).unwrap(), "*");
    }

    #[test]
    fn dot_segments_are_found_in_every_encoding() {
        for path in [
            "/..",
            "/a/../b",
            "/./a",
            "/a/.",
            "/%2e%2e/a",
            "/.%2e/",
            "/%2E./",
            "/a/..%2fb",
            "/a%2F..",
            "/..\\a",
            "/a%5c..%5Cb",
            "/..;x=1/a",
            "/%2e%2e;/",
            "/..%20/a",
            "/a/..%00",
        ] {
            assert!(has_dot_segment(path), "{path}");
        }
        for path in ["/", "/a.b", "/...", "/.well-known/x", "/a..b/c", "/%252e%252e/", "/a%20b", "/..a", "/;.."] {
            assert!(!has_dot_segment(path), "{path}");
        }
    }

    #[test]
    fn a_query_parameter_is_replaced_without_touching_the_others() {
        let (owned, query) = (["token".to_owned()], [("token".to_owned(), "s%20x".to_owned())]);
        let join = Join { mount: "", base: "", owned: &owned, query: &query };
        for (sent, target) in [
            ("/a", "/a?token=s%20x"),
            ("/a?b=%7E&token=evil&c=+", "/a?b=%7E&c=+&token=s%20x"),
            ("/a?%74oken=evil&token", "/a?token=s%20x"),
            ("/a?tokens=1", "/a?tokens=1&token=s%20x"),
        ] {
            assert_eq!(join.target(Uri::from_static(sent)).unwrap(), target, "{sent}");
        }
        let join = Join { mount: "", base: "", owned: &owned, query: &[] };
        assert_eq!(join.target(Uri::from_static("/a?token=evil")).unwrap(), "/a");
    }
}
