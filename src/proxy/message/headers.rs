//! Decides which request headers are forwarded. Unwanted headers are removed in one scan; what the upstream gets is then set,
//! never appended.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::proxy::settings::UpstreamSettings;
use crate::token::patch::{CasedName, Owned};

mod cookies;
pub(crate) mod known;
pub(crate) mod outgoing;
pub(crate) mod response;
mod set_cookie;
mod spelling;
pub(in crate::proxy) mod text;
pub(crate) mod view;

use self::known::KnownHeaders;
use spelling::is_same_variable;

/// The header rules of one upstream, computed once.
#[derive(Debug)]
pub(crate) struct Rules {
    unwanted: Vec<HeaderName>,
    callers: Vec<HeaderName>,
    set: Vec<(CasedName, HeaderValue)>,
    cookies: Vec<String>,
}

impl Rules {
    /// Computes the rules. The login flow owns the names in `owned`; `subject` is the header that names the subject.
    pub(crate) fn new(settings: &UpstreamSettings, owned: &Owned, subject: Option<&HeaderName>) -> Self {
        let set: Vec<_> = settings.headers.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
        let theirs = |name: &HeaderName| settings.caller_may_set.contains(name);
        let ours = set.iter().map(|(name, _)| name.name()).chain(&owned.headers).filter(|name| !theirs(name));
        let mut unwanted: Vec<_> = ours.chain(&settings.remove_headers).chain(subject).cloned().collect();
        let credential = !theirs(&header::AUTHORIZATION) || owned.headers.contains(&header::AUTHORIZATION);
        unwanted.extend(credential.then_some(header::AUTHORIZATION));
        Self { unwanted, callers: settings.caller_may_set.clone(), set, cookies: owned.cookies.clone() }
    }

    /// Removes headers that must not reach the upstream, among them the listener's own `Origin`, which means nothing there.
    pub(crate) fn strip(&self, headers: &mut HeaderMap, known: KnownHeaders, own_origin: bool) {
        let lists_trailers = |value| names(value).any(|name| name == "trailers");
        let trailers = known.intersects(KnownHeaders::TE) && headers.get_all(header::TE).iter().any(lists_trailers);
        strip_each(headers, known, KnownHeaders::NOT_FROM_CALLERS);
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            // So that no intermediary forwards it as if it were its own (RFC 9110 §10.1.4).
            headers.insert(header::CONNECTION, HeaderValue::from_static("TE"));
        }
        remove_each(headers, |name| self.is_unwanted(name));
        if own_origin {
            remove_each(headers, |name| *name == header::ORIGIN);
        }
        if !self.cookies.is_empty() {
            cookies::strip(headers, &self.cookies);
        }
    }

    /// Does the same for the trailers of a body.
    pub(crate) fn strip_trailers(&self, trailers: &mut HeaderMap) {
        strip_each(trailers, KnownHeaders::of(trailers), KnownHeaders::NOT_FROM_CALLERS);
        remove_each(trailers, |name| self.is_unwanted(name) || !is_field_name(name));
        for framing in [header::HOST, header::CONTENT_LENGTH, header::TRAILER] {
            trailers.remove(framing);
        }
    }

    /// Whether a header must be removed: by name, or because a CGI-style server would confuse it with one of ours. A header that
    /// the caller may set must be spelled as configured.
    fn is_unwanted(&self, name: &HeaderName) -> bool {
        self.unwanted.iter().any(|unwanted| is_same_variable(unwanted, name))
            || self.callers.iter().any(|callers| callers != name && is_same_variable(callers, name))
    }

    fn sets(&self, name: &HeaderName) -> bool {
        self.set.iter().any(|(set, _)| set.name() == name)
    }
}

/// Removes headers by name. Usually there are none or one, so a scan is cheaper than a look-up per name.
fn remove_each(headers: &mut HeaderMap, is_unwanted: impl Fn(&HeaderName) -> bool) {
    while let Some(name) = headers.keys().find(|name| is_unwanted(name)).cloned() {
        headers.remove(name);
    }
}

/// Removes the `unwanted` of the headers that are `present`, and every header that `Connection` names.
fn strip_each(headers: &mut HeaderMap, present: KnownHeaders, unwanted: KnownHeaders) {
    if present.intersects(KnownHeaders::CONNECTION) {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    if present.intersects(unwanted.without(KnownHeaders::CONNECTION)) {
        remove_each(headers, |name| KnownHeaders::of_name(name.as_str()).intersects(unwanted));
    }
}

/// Whether this is a valid field name (RFC 9110 §5.1). The http crate accepts a quotation mark in names over HTTP/2, which
/// HTTP/1.1 does not allow.
pub(crate) fn is_field_name(name: &HeaderName) -> bool {
    !name.as_str().contains('"')
}

/// Removes headers with invalid names: HTTP/2 lets them through, but in HTTP/1.1 they would be malformed lines.
pub(crate) fn strip_misnamed(headers: &mut HeaderMap) {
    remove_each(headers, |name| !is_field_name(name));
}

/// The names in `Connection` headers (RFC 9110 §7.6.1). Nearly all callers send one line with one word.
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
