//! Finds the upstream for a request: by listener, then host, then the longest path prefix.

use crate::proxy::message::authority::{authority, host};
use std::cmp::Reverse;
use std::sync::Arc;

use http::request;

use crate::proxy::Upstream;
use crate::proxy::settings::{Listen, Match};

/// The upstreams of each listener. Replaced as a whole when the configuration changes.
#[derive(Default)]
pub struct Routes {
    listeners: Vec<(Listen, Vec<Arc<Upstream>>)>,
    moved: Vec<(Listen, Listen)>,
}

impl Routes {
    /// Sorts the upstreams of each listener from the most to the least specific: those with a host first, then by the length of
    /// the path prefix.
    pub fn new(upstreams: impl IntoIterator<Item = Arc<Upstream>>) -> Self {
        let mut listeners: Vec<(Listen, Vec<Arc<Upstream>>)> = Vec::new();
        for upstream in upstreams {
            match listeners.iter_mut().find(|(listen, _)| *listen == upstream.settings.listen) {
                Some((_, upstreams)) => upstreams.push(upstream),
                None => listeners.push((upstream.settings.listen.clone(), vec![upstream])),
            }
        }
        for (_, upstreams) in &mut listeners {
            upstreams.sort_by_key(|upstream| specificity(&upstream.settings.matches));
        }
        Self { listeners, moved: Vec::new() }
    }

    /// Adds listeners that have become others: requests from the first of each pair go to the second, which has taken over the
    /// port, and the connections stay open.
    pub fn moved(self, moved: Vec<(Listen, Listen)>) -> Self {
        Self { moved, ..self }
    }

    /// The listener that this one has become.
    pub(crate) fn current<'a>(&'a self, listen: &'a Listen) -> &'a Listen {
        self.moved.iter().find(|(from, _)| from == listen).map_or(listen, |(_, to)| to)
    }

    /// The listeners, each with its upstreams, the most specific first.
    pub(crate) fn listeners(&self) -> &[(Listen, Vec<Arc<Upstream>>)] {
        &self.listeners
    }
}

fn specificity(matches: &Match) -> (bool, Reverse<usize>) {
    (matches.host.is_none(), Reverse(matches.path.len()))
}

impl Match {
    /// Whether a request with this head and raw path matches.
    pub(crate) fn matches(&self, head: &request::Parts, path: &str) -> bool {
        let named = || authority(&head.uri, &head.headers).map(host);
        let is_named = |own: &str| named().is_some_and(|host| host.eq_ignore_ascii_case(own));
        self.host.as_deref().is_none_or(is_named)
            && path.strip_prefix(&*self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The prefix that is removed from request paths, and added again to `Location` and cookies in responses.
    pub(crate) fn mount(&self) -> &str {
        if self.strip { &self.path } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(host: Option<&str>, path: &str) -> Match {
        Match { host: host.map(str::to_owned), path: path.to_owned(), strip: true }
    }

    fn head(host: Option<&str>) -> request::Parts {
        let request = http::Request::builder();
        let request = host.into_iter().fold(request, |request, host| request.header("host", host));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        for (prefix, path, meets) in [
            ("", "/", true),
            ("", "/x", true),
            ("", "*", false),
            ("/a", "/a", true),
            ("/a", "/a/", true),
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a", "/b", false),
            ("/a", "/A", false),
            ("/a", "/", false),
        ] {
            assert_eq!(matches(None, prefix).matches(&head(Some("localhost")), path), meets, "{prefix} {path}");
        }
    }

    #[test]
    fn hosts_match_case_insensitively() {
        let own = matches(Some("younium.localhost"), "");
        assert!(own.matches(&head(Some("Younium.LOCALHOST:8080")), "/"));
        assert!(!own.matches(&head(Some("localhost")), "/"));
        assert!(!own.matches(&head(None), "/"));
    }

    #[test]
    fn the_most_specific_match_comes_first() {
        let mut all = [
            matches(None, ""),
            matches(None, "/a/b"),
            matches(Some("h"), ""),
            matches(None, "/a"),
            matches(Some("h"), "/a"),
        ];
        all.sort_by_key(specificity);
        let order: Vec<_> = all.iter().map(|m| (m.host.is_some(), m.path.as_str())).collect();
        assert_eq!(order, [(true, "/a"), (true, ""), (false, "/a/b"), (false, "/a"), (false, "")]);
    }

    #[test]
    fn the_host_is_found_in_every_form_of_authority() {
        for (authority, expected) in [
            ("localhost:8080", "localhost"),
            ("localhost.", "localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("user@h:1", "h"),
            ("", ""),
        ] {
            assert_eq!(host(authority), expected, "{authority}");
        }
    }
}
