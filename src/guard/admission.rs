//! The input and output of the guard.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method, Version};

/// What the guard knows about a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestInfo<'a> {
    /// The peer's address; `None` on a unix socket, which has no peer, Host or browser rule.
    pub peer: Option<IpAddr>,
    /// The HTTP version. Only HTTP/1.0 requests may lack a host.
    pub version: Version,
    pub method: &'a Method,
    /// The authority of HTTP/2's `:authority` or an absolute-form target; `None`: the Host header decides.
    pub authority: Option<&'a str>,
    /// The path as sent.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
}

/// The guard's decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Serve it. On a TCP listener, its `Origin`, if any, is the listener's own.
    Pass,
    /// Serve it, and allow this browser origin to read the response: see [`share`](super::share).
    PassTo(HeaderValue),
    /// Respond with 204 and these headers: a preflight from an allowed origin.
    Preflight(HeaderMap),
    /// Refuse it with 403. The text names the rule.
    Refused(&'static str),
    /// Refuse it with 400: its host is missing or malformed.
    Malformed(&'static str),
}

/// Why a request is refused, in words.
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
