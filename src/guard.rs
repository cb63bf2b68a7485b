//! Who may call: pure rules over peer and headers, for the data listeners and for admin.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method};
use ipnet::IpNet;

use crate::secret::Secret;

/// The `access` table of an upstream, with nothing left to default.
#[derive(Clone, Debug)]
pub struct Access {
    /// Networks that may call; loopback unless told otherwise.
    pub peers: Vec<IpNet>,
    /// Further `Host` names, besides `localhost`, `*.localhost` and loopback addresses.
    pub hosts: Vec<String>,
    /// Methods allowed; empty: all.
    pub methods: Vec<Method>,
    /// Globs on the decoded path; empty: all.
    pub paths: Vec<String>,
    /// Browser origins allowed besides the listener's own.
    pub origins: Vec<String>,
    /// What `X-Bearerd-Key` must hold.
    pub key: Option<Secret>,
    /// Whether a path may have dot segments.
    pub dot_segments: bool,
}

/// What is known of a call before it is served.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The peer's address; `None` on a unix socket, which has no peer, Host or browser rule.
    pub peer: Option<IpAddr>,
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
    /// Serve it.
    Pass,
    /// Serve it, and let this browser origin read the answer.
    PassTo(HeaderValue),
    /// Answer 204 with these headers: a preflight of an allowed origin.
    Preflight(HeaderMap),
    /// Refuse it with 403; the text says which rule, for people.
    Refused(&'static str),
}

impl Access {
    /// Judges a call. `own_host` is the upstream's `host` key.
    pub fn admit(&self, _call: &Call<'_>, _own_host: Option<&str>) -> Admission {
        Admission::Pass
    }
}
