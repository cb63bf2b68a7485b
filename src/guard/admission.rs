//! What is asked of the guard, and what it answers.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method, Version};

/// What is known of a call before it is served.
#[derive(Clone, Copy, Debug)]
pub struct RequestInfo<'a> {
    /// The peer's address; `None` on a unix socket, which has no peer, Host or browser rule.
    pub peer: Option<IpAddr>,
    /// The HTTP version: only HTTP/1.0 may name no host.
    pub version: Version,
    /// The method.
    pub method: &'a Method,
    /// Authority of the request: HTTP/2's `:authority` or an absolute-form target, where it has one; else the Host header decides.
    pub authority: Option<&'a str>,
    /// The raw path.
    pub path: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// What to do with a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Serve it. An `Origin` that it has on a TCP listener is the listener's own.
    Pass,
    /// Serve it, and let this browser origin read the answer: see [`share`](super::share).
    PassTo(HeaderValue),
    /// Answer 204 with these headers: a preflight of an allowed origin.
    Preflight(HeaderMap),
    /// Refuse it with 403; the text says which rule, for people.
    Refused(&'static str),
    /// Refuse it with 400: it names no host, or nothing that can be one.
    Malformed(&'static str),
}

/// Why a call is not served; the text says it for people.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    Denied(&'static str),
    Malformed(&'static str),
}

impl From<Refusal> for Admission {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(why) => Self::Refused(why),
            Refusal::Malformed(why) => Self::Malformed(why),
        }
    }
}
