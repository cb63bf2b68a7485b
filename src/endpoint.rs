//! The URLs of APIs and token endpoints, and the outbound proxy.
//!
//! All URLs that receive credentials are parsed here, so that the same rules apply to all.

mod private;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::{Host, Url};

use crate::secret::Secret;
pub use private::is_private;

/// Why a URL is not allowed. The text completes "the URL …" and shows nothing of the URL, because users put passwords
/// into URLs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UrlError {
    /// It is relative or invalid.
    #[error("is not an absolute URL: {0}")]
    NotAbsolute(url::ParseError),
    /// It has a control character, which URL parsers drop silently.
    #[error("contains a line end, a tab or another control character")]
    Control,
    /// Its path has a dot segment, which URL parsers resolve silently.
    #[error("has `.` or `..` in its path")]
    DotSegment,
    /// Its scheme is neither `http` nor `https`.
    #[error("is neither http nor https")]
    Scheme,
    /// It has no host, or one that is not valid in a header.
    #[error("has no host")]
    NoHost,
    /// It has a user name or a password.
    #[error("contains a user name")]
    User,
    /// It has a fragment.
    #[error("has a fragment")]
    Fragment,
    /// It has a query, which is not allowed here.
    #[error("has a query")]
    Query,
    /// It is `http` and its host is not this machine.
    #[error("is not https: credentials would be sent unencrypted")]
    Plaintext,
}

/// Parses an absolute `http` or `https` URL without user and fragment. `plaintext` allows `http` to other machines. A
/// trailing dot of the host is removed: it names the same host, but certificates and most servers do not use it.
pub fn parse(text: &str, plaintext: bool) -> Result<Url, UrlError> {
    let text = text.trim();
    if text.contains(char::is_control) {
        return Err(UrlError::Control);
    }
    let mut url = Url::parse(text).map_err(UrlError::NotAbsolute)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme);
    }
    if has_dot_segment(text) {
        return Err(UrlError::DotSegment);
    }
    let host = url.host_str().unwrap_or_default();
    if let Some(bare) = host.strip_suffix('.').map(|host| host.trim_end_matches('.').to_owned()) {
        url.set_host(Some(&bare)).map_err(|_| UrlError::NoHost)?;
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::User);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    let is_here = url.host_str().is_some_and(is_loopback);
    if url.scheme() == "http" && !plaintext && !is_here { Err(UrlError::Plaintext) } else { Ok(url) }
}

/// Whether the path, as it is written, has a segment that means this directory or the one above.
fn has_dot_segment(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    path.split(['/', '\\'])
        .any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

/// Whether a host is this machine, by name or by address, IPv4-mapped addresses included.
pub fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.');
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The API's base URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base {
    /// Whether it is `https`.
    pub tls: bool,
    /// The host without port and brackets.
    pub host: String,
    /// The port; the scheme's default if the URL has none.
    pub port: u16,
    /// The `Host` header: the host, and the port unless it is the scheme's default.
    pub authority: HeaderValue,
    /// The path prefix without a trailing slash; empty for none.
    pub path: String,
    /// Whether a login's reply chose the host: its name must not lead to a private address.
    pub chosen: bool,
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority.to_str().unwrap_or(&self.host), self.path)
    }
}

impl Base {
    /// Parses a URL that may be `http`, because that was allowed or checked before.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        Self::of(&parse(text, true)?)
    }

    /// Splits a URL from [`parse`]; it must not have a query.
    pub fn of(url: &Url) -> Result<Self, UrlError> {
        if url.query().is_some() {
            return Err(UrlError::Query);
        }
        let named = url.host_str().ok_or(UrlError::NoHost)?;
        let authority = url.port().map_or_else(|| named.to_owned(), |port| format!("{named}:{port}"));
        Ok(Self {
            tls: url.scheme() == "https",
            host: match url.host().ok_or(UrlError::NoHost)? {
                Host::Domain(name) => name.to_owned(),
                Host::Ipv4(address) => address.to_string(),
                Host::Ipv6(address) => address.to_string(),
            },
            port: url.port_or_known_default().ok_or(UrlError::Scheme)?,
            authority: HeaderValue::try_from(authority).map_err(|_| UrlError::NoHost)?,
            path: url.path().trim_end_matches('/').to_owned(),
            chosen: false,
        })
    }
}

/// An outbound HTTP proxy for API and token requests, and the hosts that are called without it.
#[derive(Clone)]
pub struct OutboundProxy {
    url: Secret,
    excepted: String,
    matcher: Arc<Matcher>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the outbound proxy is not a URL such as http://host:port")]
pub struct ProxyUrlError;

impl OutboundProxy {
    /// `url`: `http://host:port`, perhaps with credentials.
    pub fn new(url: Secret, no_proxy: &[String]) -> Result<Self, ProxyUrlError> {
        let parsed = Url::parse(url.expose()).map_err(|_| ProxyUrlError)?;
        if parsed.scheme() != "http" || !parsed.has_host() {
            return Err(ProxyUrlError);
        }
        // `no_proxy` has curl's syntax: `*` includes addresses.
        let all = no_proxy.iter().any(|entry| entry.trim() == "*");
        let excepted = if all { "*,0.0.0.0/0,::/0".to_owned() } else { no_proxy.join(",") };
        let matcher = Matcher::builder().all(url.expose().to_owned()).no(excepted.as_str()).build().into();
        Ok(Self { url, excepted, matcher })
    }

    /// Its URL, with credentials.
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// Whether a password is part of the URL.
    pub fn has_password(&self) -> bool {
        Url::parse(self.url.expose()).is_ok_and(|url| url.password().is_some())
    }

    /// The proxy on the way to this target; `None` if it is called directly.
    pub fn way_to(&self, target: &Uri) -> Option<Intercept> {
        self.matcher.intercept(target)
    }

    /// The same for the client of token calls.
    pub fn for_client(&self) -> Result<reqwest::Proxy, ProxyUrlError> {
        let proxy = reqwest::Proxy::all(self.url.expose()).map_err(|_| ProxyUrlError)?;
        Ok(proxy.no_proxy(reqwest::NoProxy::from_string(&self.excepted)))
    }
}

/// Its URL may hold credentials.
impl fmt::Debug for OutboundProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutboundProxy(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_called_in_plain_text() {
        for fine in [
            "https://a.example/b?c=d",
            " https://a.example/..b/c..d?e=/../ \n",
            "http://localhost:1/x",
            "http://LOCALHOST./",
            "http://a.localhost",
            "http://127.0.0.9",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(parse(fine, false).is_ok(), "{fine}");
        }
        for wrong in ["http://a.example", "http://localhost.example", "http://0.0.0.0", "http://[::ffff:10.0.0.1]"] {
            assert_eq!(parse(wrong, false), Err(UrlError::Plaintext), "{wrong}");
            assert!(parse(wrong, true).is_ok(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_never_repeats_the_url() {
        for (text, error) in [
            ("hunter2", UrlError::NotAbsolute(url::ParseError::RelativeUrlWithoutBase)),
            ("ftp://hunter2", UrlError::Scheme),
            ("https://", UrlError::NotAbsolute(url::ParseError::EmptyHost)),
            ("https://hunter2:p@x", UrlError::User),
            ("https://u:hunter2@x", UrlError::User),
            ("https://x/hun\nter2", UrlError::Control),
            ("https://x/hun\tter2", UrlError::Control),
            ("https://x/hunter2/../y", UrlError::DotSegment),
            ("https://x/hunter2/%2E.", UrlError::DotSegment),
            ("https://x/./hunter2", UrlError::DotSegment),
            ("https://x\\..\\hunter2", UrlError::DotSegment),
            ("https://x#hunter2", UrlError::Fragment),
            ("https://x/?hunter2", UrlError::Query),
            ("http://hunter2.example", UrlError::Plaintext),
        ] {
            let found = parse(text, false).and_then(|url| Base::of(&url)).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("hunter2"), "{text}: {found}");
        }
        assert!(Base::parse("https://./").is_err() && Base::parse("").is_err());
    }

    #[test]
    fn a_base_url_is_taken_apart() {
        for (text, tls, host, port, authority, path) in [
            ("https://api.example.com", true, "api.example.com", 443, "api.example.com", ""),
            ("https://API.example.com:443/v1/", true, "api.example.com", 443, "api.example.com", "/v1"),
            ("https://API.example.com:8443/v1/", true, "api.example.com", 8443, "api.example.com:8443", "/v1"),
            ("http://[::1]:8080/a/b", false, "::1", 8080, "[::1]:8080", "/a/b"),
            ("http://[::1]:80", false, "::1", 80, "[::1]", ""),
        ] {
            let base = Base::parse(text).unwrap();
            assert_eq!((base.tls, &*base.host, base.port), (tls, host, port), "{text}");
            assert_eq!((base.authority.to_str().unwrap(), &*base.path), (authority, path), "{text}");
        }
    }

    #[test]
    fn a_trailing_dot_of_a_host_is_removed_from_every_url() {
        let base = Base::parse("https://api.example.com.:8443/v1").unwrap();
        assert_eq!((&*base.host, base.authority.to_str().unwrap()), ("api.example.com", "api.example.com:8443"));
        let url = parse("https://login.example.com./token?a=b", false).unwrap();
        assert_eq!(url.as_str(), "https://login.example.com/token?a=b");
    }

    #[test]
    fn an_outbound_proxy_is_http_and_shows_no_password() {
        for wrong in ["", "proxy:3128", "https://proxy:3128", "socks5://proxy", "http://"] {
            assert_eq!(OutboundProxy::new(Secret::new(wrong), &[]).err(), Some(ProxyUrlError), "{wrong}");
        }
        let proxy = OutboundProxy::new(Secret::new("http://u:hunter2@proxy:3128"), &["10.0.0.0/8".to_owned()]).unwrap();
        assert!(proxy.has_password() && !format!("{proxy:?}").contains("hunter2") && proxy.for_client().is_ok());
        assert!(proxy.way_to(&Uri::from_static("https://a.example")).is_some());
        assert!(proxy.way_to(&Uri::from_static("https://10.1.2.3")).is_none());
    }
}
