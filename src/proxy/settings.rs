//! What the data path is told: plain values with nothing left to default.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

pub use crate::endpoint::{Base, OutboundProxy};
use crate::guard::Access;
use crate::token::patch::CasedName;

/// Where callers reach an upstream.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Listen {
    /// Both loopback addresses, where the host has both.
    Localhost(u16),
    /// One address.
    Tcp(SocketAddr),
    /// A socket file, with this mode.
    Unix(PathBuf, u32),
}

/// Where callers look when nobody says otherwise.
impl Default for Listen {
    fn default() -> Self {
        Self::Localhost(8080)
    }
}

/// As it is written in a configuration.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Localhost(port) => write!(f, "localhost:{port}"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path, _) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where an upstream is found among several on one listener, and what is kept of the path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Match {
    /// Host that the caller must name; looked at before the path.
    pub host: Option<String>,
    /// Path prefix with no slash at its end; empty for `/`.
    pub path: String,
    /// Whether the prefix is removed before forwarding.
    pub strip: bool,
}

/// Every path, without its prefix, which is empty.
impl Default for Match {
    fn default() -> Self {
        Self { host: None, path: String::new(), strip: true }
    }
}

/// Which HTTP the upstream is spoken to in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// What ALPN agrees on.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; with prior knowledge where the URL is `http`.
    Http2,
}

/// Time-outs of one upstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// To the response's head.
    pub response: Duration,
    /// A pooled connection's idle life.
    pub idle: Duration,
    /// A connection's whole life, so that DNS changes are followed.
    pub connection_life: Duration,
    /// How long a request waits for a token.
    pub token_wait: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(60),
            idle: Duration::from_secs(50),
            connection_life: Duration::from_secs(300),
            token_wait: Duration::from_secs(10),
        }
    }
}

/// The one repeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retry {
    /// Largest body kept for it, in bytes.
    pub body: u64,
    /// Whether POST and PATCH are never repeated.
    pub idempotent_only: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { body: 1 << 20, idempotent_only: false }
    }
}

/// One upstream as the data path needs it, besides its token.
#[derive(Clone, Debug, Default)]
pub struct UpstreamSettings {
    /// Its name.
    pub name: Arc<str>,
    /// Where callers reach it.
    pub listen: Listen,
    /// Which calls on that listener are its.
    pub matches: Match,
    /// The API; `None` where only the login's reply tells.
    pub base: Option<Base>,
    /// Headers set on every request.
    pub headers: Vec<(CasedName, HeaderValue)>,
    /// Headers among those set where the caller's own value wins.
    pub caller_may_set: Vec<HeaderName>,
    /// Further inbound headers to drop.
    pub remove_headers: Vec<HeaderName>,
    /// HTTP version towards the upstream.
    pub protocol: Protocol,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// The one repeat.
    pub retry: Retry,
    /// Who may call.
    pub access: Access,
    /// `tls.server_name`: the name to verify instead of the base's host.
    pub server_name: Option<String>,
    /// The way out, if it is not direct.
    pub outbound_proxy: Option<OutboundProxy>,
}

/// The `[limits]` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections from callers at a time.
    pub connections: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// From the first byte of a head to its end.
    pub header_timeout: Duration,
    /// A request body that brings nothing for this long.
    pub body_idle: Duration,
    /// A kept-alive caller that asks nothing for this long.
    pub caller_idle: Duration,
    /// A caller that reads nothing of its answer for this long.
    pub caller_write: Duration,
    /// Bytes kept for repeats, all requests together.
    pub replay_total: u64,
    /// Requests in flight, all connections together; what the descriptors allow if it is not set.
    pub requests: Option<usize>,
    /// Bytes that callers and upstreams may make the process hold; half of what the machine gives if it is not set.
    pub memory: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_bytes: 64 << 10,
            header_timeout: Duration::from_secs(10),
            body_idle: Duration::from_secs(60),
            caller_idle: Duration::from_secs(75),
            caller_write: Duration::from_secs(60),
            replay_total: 32 << 20,
            requests: None,
            memory: None,
        }
    }
}

/// What the limits come to on this machine, for all callers together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Connections from callers.
    pub connections: usize,
    /// Requests in flight.
    pub requests: usize,
    /// Sockets of callers and upstreams.
    pub sockets: usize,
    /// Bytes that callers and upstreams make the process hold.
    pub memory: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 1024, requests: usize::MAX, sockets: usize::MAX, memory: u64::MAX }
    }
}

impl Limits {
    /// What they come to where so many sockets may be open and, unless `memory` is set, so many bytes held: callers leave
    /// at least half of the sockets to requests, each of which may need one.
    pub fn bounds(&self, sockets: usize, memory: u64) -> Bounds {
        let connections = self.connections.min(sockets / 2).max(1);
        Bounds {
            connections,
            requests: self.requests.unwrap_or(sockets.saturating_sub(connections)).max(1),
            sockets,
            memory: self.memory.unwrap_or(memory),
        }
    }
}
