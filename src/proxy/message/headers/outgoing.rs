//! The request headers as they are sent: the caller's, overridden by those that are set. They are written from here directly:
//! building a map for each request would cost 1,200 instructions.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::proxy::message::headers::{Rules, cookies};
use crate::token::patch::{CasedName, Patch};

/// The headers of one attempt.
pub(crate) struct OutgoingHeaders<'a> {
    pub(crate) rules: &'a Rules,
    /// The caller's headers, stripped.
    pub(crate) callers: &'a HeaderMap,
    /// What the token sets.
    pub(crate) patch: &'a Patch,
    /// The signature of this attempt, if the API requires one.
    pub(crate) signature: Vec<(CasedName, HeaderValue)>,
    /// The authority of the API.
    pub(crate) authority: &'a HeaderValue,
    /// Credentials for an outbound proxy that forwards plain HTTP.
    pub(crate) proxy_credentials: Option<HeaderValue>,
    /// The Accept-Encoding to send if the response body may have to be inspected.
    pub(crate) encoding: Option<HeaderValue>,
}

impl OutgoingHeaders<'_> {
    /// Calls `write` for every header: the host first (RFC 9110 §7.2), then the caller's headers, then those that are set, with
    /// their names in the case in which they were configured.
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

    pub(crate) fn to_map(&self) -> HeaderMap {
        let ours = self.patch.headers.len().saturating_add(self.rules.set.len()).saturating_add(1);
        let mut map = HeaderMap::with_capacity(self.callers.len().saturating_add(ours));
        self.each(|name, _, value| {
            map.append(name, value.clone());
        });
        map
    }

    /// Whether this header of the caller is overridden.
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

    /// Whether the caller sends a header that it may set.
    fn is_callers(&self, name: &HeaderName) -> bool {
        self.rules.callers.contains(name) && self.callers.contains_key(name)
    }

    /// Whether the caller expresses no preference: many clients send `Accept: */*` by default.
    fn is_gap(&self, name: &HeaderName) -> bool {
        self.callers.get(name).is_none_or(|value| *name == header::ACCEPT && value == "*/*")
    }

    fn has_cookies(&self) -> bool {
        !self.patch.cookies.is_empty()
    }
}
