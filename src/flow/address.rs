//! Which URLs a token may travel to: absolute, encrypted unless the host is this machine, and, where a reply named the
//! host, within the flow's `hosts`.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// An absolute `http` or `https` URL. The error is for people and shows nothing of the URL.
pub(super) fn parse(text: &str, plaintext: bool) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no absolute URL: {error}"))?;
    let host = url.host().ok_or("has no host")?;
    match url.scheme() {
        "https" => {}
        "http" if plaintext || is_loopback(&host) => {}
        "http" => return Err("is not https: credentials would travel in plain text".to_owned()),
        _ => return Err("is neither http nor https".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name in it".to_owned());
    }
    if url.fragment().is_some() { Err("has a fragment".to_owned()) } else { Ok(url) }
}

/// Whether the host is this machine.
fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback() || *address == Ipv4Addr::LOCALHOST,
        Host::Ipv6(address) => *address == Ipv6Addr::LOCALHOST,
    }
}

/// A URL as errors show it: no query, no user.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", origin(url), url.path())
}

/// Scheme, host and port.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The hosts that a URL made of captured values may name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// Names, of which `*.example.com` stands for every name below `example.com`.
    pub(super) fn new(patterns: impl IntoIterator<Item = String>) -> Self {
        Self(patterns.into_iter().map(|pattern| pattern.to_ascii_lowercase()).collect())
    }

    /// Whether this URL's host is one of them; the port is free.
    pub(super) fn allow(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        self.0.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.strip_suffix(parent).is_some_and(|below| below.len() > 1 && below.ends_with('.')),
            None => host == pattern,
        })
    }
}

/// Whether this can stand in `hosts`.
pub(super) fn is_host_pattern(pattern: &str) -> bool {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    !name.is_empty() && !name.contains(['*', '/', '@']) && Host::parse(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_called_in_plain_text() {
        for fine in [
            "https://a.example/b?c=d",
            "http://localhost:1/x",
            "http://a.localhost",
            "http://127.0.0.9",
            "http://[::1]",
        ] {
            assert!(parse(fine, false).is_ok(), "{fine}");
        }
        for wrong in
            ["http://a.example", "http://localhost.example", "http://0.0.0.0", "ftp://localhost", "a.example", ""]
        {
            assert!(parse(wrong, false).is_err(), "{wrong}");
        }
        assert!(parse("http://a.example", true).is_ok());
    }

    #[test]
    fn a_url_has_no_user_and_no_fragment() {
        for wrong in ["https://u:p@a.example", "https://u@a.example", "https://a.example/#x"] {
            let message = parse(wrong, true).unwrap_err();
            assert!(!message.contains("u:p"), "{message}");
        }
    }

    #[test]
    fn a_shown_url_has_no_query() {
        let url = Url::parse("https://a.example:8443/b/c?secret=x").unwrap();
        assert_eq!(shown(&url), "https://a.example:8443/b/c");
    }

    #[test]
    fn hosts_match_names_whole_and_any_port() {
        let hosts = Hosts::new(["*.Example.com".to_owned(), "api.other.net".to_owned()]);
        for (url, allowed) in [
            ("https://a.example.com:1/", true),
            ("https://A.B.EXAMPLE.COM/", true),
            ("https://example.com/", false),
            ("https://badexample.com/", false),
            ("https://a.example.com.evil.net/", false),
            ("https://api.other.net/", true),
            ("https://x.api.other.net/", false),
        ] {
            assert_eq!(hosts.allow(&Url::parse(url).unwrap()), allowed, "{url}");
        }
        assert!(is_host_pattern("*.a.b") && is_host_pattern("10.0.0.1"));
        assert!(!is_host_pattern("*") && !is_host_pattern("a.*.b") && !is_host_pattern("https://a"));
    }
}
