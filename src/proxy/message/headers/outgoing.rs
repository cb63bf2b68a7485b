//! A request's headers as the upstream gets them, read where they stand: the caller's, and what is set over them. They
//! are written from here; a map that would be filled, sent and dropped costs 1,200 instructions a request.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::proxy::message::headers::{Rules, cookies};
use crate::token::patch::{CasedName, Patch};

/// The headers of one attempt.
pub(crate) struct OutgoingHeaders<'a> {
    /// The upstream's rules.
    pub(crate) rules: &'a Rules,
    /// The caller's headers, stripped.
    pub(crate) callers: &'a HeaderMap,
    /// The token's part.
    pub(crate) patch: &'a Patch,
    /// What signs this attempt, if the API wants that.
    pub(crate) signature: Vec<(CasedName, HeaderValue)>,
    /// What the API is called.
    pub(crate) authority: &'a HeaderValue,
    /// For an outbound proxy that passes on single requests.
    pub(crate) proxy_credentials: Option<HeaderValue>,
    /// What the answer may be encoded in, where it must be readable here.
    pub(crate) encoding: Option<HeaderValue>,
}

impl OutgoingHeaders<'_> {
    /// Gives every line to `write`: the host first (RFC 9110 §7.2), then the caller's, then what is set, with its name in
    /// the case in which it was written there.
    pub(crate) fn each(&self, mut write: impl FnMut(&HeaderName, Option<&str>, &HeaderValue)) {
        write(&header::HOST, None, self.authority);
        for (name, value) in self.callers {
            if !self.is_replaced(name) {
                write(name, None, value);
            }
        }
        for (name, value) in &self.patch.headers {
            if !self.is_callers(name.name()) && !self.rules.sets(name.name()) {
                write(name.name(), name.case(), value);
            }
        }
        for (name, value) in &self.rules.set {
            if !self.is_callers(name.name()) {
                write(name.name(), name.case(), value);
            }
        }
        for (name, value) in &self.patch.defaults {
            if !self.is_set(name.name()) && self.is_gap(name.name()) {
                write(name.name(), name.case(), value);
            }
        }
        if self.has_cookies() {
            cookies::with(self.callers, &self.patch.cookies).iter().for_each(|line| write(&header::COOKIE, None, line));
        }
        self.proxy_credentials.iter().for_each(|value| write(&header::PROXY_AUTHORIZATION, None, value));
        self.signature.iter().for_each(|(name, value)| write(name.name(), name.case(), value));
        self.encoding.iter().for_each(|value| write(&header::ACCEPT_ENCODING, None, value));
    }

    /// As a map.
    pub(crate) fn to_map(&self) -> HeaderMap {
        let ours = self.patch.headers.len().saturating_add(self.rules.set.len()).saturating_add(1);
        let mut map = HeaderMap::with_capacity(self.callers.len().saturating_add(ours));
        self.each(|name, _, value| {
            map.append(name, value.clone());
        });
        map
    }

    /// Whether this line of the caller's makes way.
    fn is_replaced(&self, name: &HeaderName) -> bool {
        *name == header::HOST
            || (self.is_set(name) && !self.rules.callers.contains(name))
            || self.patch.defaults.iter().any(|(default, _)| default.name() == name && self.is_gap(name))
            || (self.has_cookies() && *name == header::COOKIE)
            || (self.encoding.is_some() && *name == header::ACCEPT_ENCODING)
    }

    fn is_set(&self, name: &HeaderName) -> bool {
        self.rules.sets(name) || self.patch.headers.iter().any(|(set, _)| set.name() == name)
    }

    /// Whether the caller may set this, and does.
    fn is_callers(&self, name: &HeaderName) -> bool {
        self.rules.callers.contains(name) && self.callers.contains_key(name)
    }

    /// `Accept: */*` is what clients send that have no wish.
    fn is_gap(&self, name: &HeaderName) -> bool {
        self.callers.get(name).is_none_or(|value| *name == header::ACCEPT && value == "*/*")
    }

    fn has_cookies(&self) -> bool {
        !self.patch.cookies.is_empty()
    }
}
