//! Which hosts a reply may choose: those of the flow's `hosts`, and none of this machine's network by a pattern alone.

use url::{Host, Url};

/// A URL for error messages: without query and user.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", origin(url), url.path())
}

pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The hosts that are allowed in URLs with captured values.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// Host names; `*.example.com` is every name below `example.com`.
    pub(super) fn new(patterns: impl IntoIterator<Item = String>) -> Self {
        Self(patterns.into_iter().map(|pattern| pattern.trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Whether this URL's host is allowed, on any port. An address must be listed literally: a pattern matches only
    /// names.
    pub(super) fn allow(&self, url: &Url) -> bool {
        self.name(url) || self.only_by_pattern(url)
    }

    /// Whether only a pattern allows this host, so that the reply chose it.
    pub(super) fn only_by_pattern(&self, url: &Url) -> bool {
        let Some(Host::Domain(host)) = url.host() else { return false };
        let below = |pattern: &String| {
            let below = host.strip_suffix(pattern.strip_prefix("*.")?)?;
            (below.len() > 1 && below.ends_with('.')).then_some(())
        };
        !self.name(url) && self.0.iter().any(|pattern| below(pattern).is_some())
    }

    fn name(&self, url: &Url) -> bool {
        url.host_str().is_some_and(|host| self.0.iter().any(|pattern| pattern == host))
    }
}

/// Whether this is a valid entry of `hosts`.
pub(super) fn is_host_pattern(pattern: &str) -> bool {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    !name.is_empty() && !name.contains(['*', '/', '@']) && Host::parse(name).is_ok()
}

/// Marks a request whose host a reply chose. Its name must not resolve to a private address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_query() {
        let url = Url::parse("https://a.example:8443/b/c?secret=x").unwrap();
        assert_eq!(shown(&url), "https://a.example:8443/b/c");
    }

    #[test]
    fn an_address_is_allowed_only_if_it_is_listed() {
        let patterns = Hosts::new(["*.example.com", "*.254", "*.169.254", "10.0.0.1"].map(str::to_owned));
        for url in [
            "https://169.254.169.254/",
            "https://2852039166/",
            "https://0xa9fea9fe/",
            "https://0251.0376.0251.0376/",
            "https://169.254.43518/",
            "https://[::ffff:169.254.169.254]/",
            "https://[fd00:ec2::254]/",
            "https://10.0.0.2/",
        ] {
            assert!(!patterns.allow(&Url::parse(url).unwrap()), "{url}");
        }
        let written = Url::parse("https://0xa.0.0.1/").unwrap();
        assert!(patterns.allow(&written) && !patterns.only_by_pattern(&written));
        let chosen = Url::parse("https://a.example.com/").unwrap();
        assert!(patterns.allow(&chosen) && patterns.only_by_pattern(&chosen));
    }

    #[test]
    fn hosts_match_whole_names_on_any_port() {
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
