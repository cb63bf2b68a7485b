//! What happens to a request's headers: pure rules over a `HeaderMap`. One scan finds what must go; then what the
//! upstream gets is set, never added.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::settings::UpstreamSettings;
use crate::token::patch::{Owned, Patch};

pub(crate) mod answer;
mod cookies;

/// One upstream's rules, made once.
#[derive(Debug)]
pub(crate) struct Rules {
    unwanted: Vec<HeaderName>,
    callers: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    cookies: Vec<String>,
}

impl Rules {
    /// The rules of an upstream whose flow owns these names; `subject` is the header that names the subject.
    pub(crate) fn new(settings: &UpstreamSettings, owned: &Owned, subject: Option<&HeaderName>) -> Self {
        let set: Vec<_> = settings.headers.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
        let theirs = |name: &HeaderName| settings.caller_may_set.contains(name);
        let ours = set.iter().map(|(name, _)| name).chain(&owned.headers).filter(|name| !theirs(name));
        let mut unwanted: Vec<_> = ours.chain(&settings.remove_headers).chain(subject).cloned().collect();
        let credential = !theirs(&header::AUTHORIZATION) || owned.headers.contains(&header::AUTHORIZATION);
        unwanted.extend(credential.then_some(header::AUTHORIZATION));
        Self { unwanted, callers: settings.caller_may_set.clone(), set, cookies: owned.cookies.clone() }
    }

    /// Removes what must not reach the upstream. An `Origin` that is the listener's own means nothing there.
    pub(crate) fn strip(&self, headers: &mut HeaderMap, own_origin: bool) {
        let trailers = headers.get_all(header::TE).iter().any(|value| names(value).any(|name| name == "trailers"));
        self.strip_names(headers);
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        if own_origin {
            headers.remove(header::ORIGIN);
        }
        if !self.cookies.is_empty() {
            cookies::replace(headers, &self.cookies, &[]);
        }
    }

    /// Removes what must not reach the upstream in a body's trailers.
    pub(crate) fn strip_trailers(&self, trailers: &mut HeaderMap) {
        self.strip_names(trailers);
        for framing in [header::HOST, header::CONTENT_LENGTH, header::TRAILER] {
            trailers.remove(framing);
        }
    }

    fn strip_names(&self, headers: &mut HeaderMap) {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
        remove_each(headers, |name| self.is_unwanted(name));
    }

    fn is_unwanted(&self, name: &HeaderName) -> bool {
        never_passes(name.as_str()) || self.unwanted.contains(name)
    }

    /// Sets the token, and what flow and upstream add.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, patch: &Patch, authority: &HeaderValue) {
        headers.insert(header::HOST, authority.clone());
        for (name, value) in patch.headers.iter().chain(&self.set) {
            if !(self.callers.contains(name) && headers.contains_key(name)) {
                headers.insert(name, value.clone());
            }
        }
        for (name, value) in &patch.defaults {
            if is_absent(headers, name) {
                headers.insert(name, value.clone());
            }
        }
        if !patch.cookies.is_empty() {
            cookies::replace(headers, &[], &patch.cookies);
        }
    }
}

/// Removes by name. Usually there is nothing to remove, or one line: a scan is cheaper than looking each name up.
fn remove_each(headers: &mut HeaderMap, is_unwanted: impl Fn(&HeaderName) -> bool) {
    while let Some(name) = headers.keys().find(|name| is_unwanted(name)).cloned() {
        headers.remove(name);
    }
}

/// Headers of one connection, credentials of the caller's, and what the caller says about its own network. The match is
/// by length first: a header that passes costs a few instructions.
fn never_passes(name: &str) -> bool {
    matches!(
        name,
        "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade" | "forwarded"
    ) || matches!(name, "proxy-authorization" | "x-bearerd-key")
        || name.starts_with("x-forwarded-")
}

/// `Accept: */*` is what clients send that have no wish.
fn is_absent(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get(name).is_none_or(|value| *name == header::ACCEPT && value == "*/*")
}

/// Every name in every `Connection` line (RFC 9110 §7.6.1). Nearly all callers send one line with one word.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(header::CONNECTION);
    let listed = lines.iter().filter(|line| *line != "keep-alive" && *line != "close").flat_map(names);
    listed.filter_map(|name| HeaderName::try_from(name).ok()).collect()
}

fn names(line: &HeaderValue) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(line.as_bytes()).into_owned();
    let names: Vec<_> =
        text.split(',').map(|name| name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()).collect();
    names.into_iter()
}

#[cfg(test)]
mod tests;
