//! The settings of the data path, with all defaults applied.

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
    /// Both loopback addresses, if the host has both.
    Localhost(u16),
    /// One address.
    Tcp(SocketAddr),
    /// A socket file with this mode.
    Unix(PathBuf, u32),
}

/// The default port.
impl Default for Listen {
    fn default() -> Self {
        Self::Localhost(8080)
    }
}

/// The form that the configuration uses.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Localhost(port) => write!(f, "localhost:{port}"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path, _) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Which requests on a listener go to an upstream, and whether the path prefix is removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Match {
    /// The host that the caller must use; compared before the path.
    pub host: Option<String>,
    /// The path prefix without a trailing slash; empty for `/`.
    pub path: String,
    /// Whether the prefix is removed before forwarding.
    pub strip: bool,
}

/// Matches every path.
impl Default for Match {
    fn default() -> Self {
        Self { host: None, path: String::new(), strip: true }
    }
}

/// The HTTP version for the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// As negotiated by ALPN.
    #[default]
    Auto,
    Http1,
    /// HTTP/2; with prior knowledge for `http` URLs.
    Http2,
}

/// The timeouts of one upstream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// To connect, including TLS.
    pub connect: Duration,
    /// To the response head.
    pub response: Duration,
    /// For how long a pooled connection may be idle.
    pub idle: Duration,
    /// For how long a connection is used, so that DNS changes take effect.
    pub connection_life: Duration,
    /// For how long a request waits for a token.
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

/// Settings of the one repeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retry {
    /// The largest body that is kept for it, in bytes.
    pub body: u64,
    /// Whether POST and PATCH are never repeated.
    pub idempotent_only: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { body: 1 << 20, idempotent_only: false }
    }
}

/// One upstream as the data path needs it, apart from its token.
#[derive(Clone, Debug, Default)]
pub struct UpstreamSettings {
    pub name: Arc<str>,
    /// Where callers reach it.
    pub listen: Listen,
    /// Which requests on that listener go to it.
    pub matches: Match,
    /// The base URL of the API; `None` if only the login's reply has it.
    pub base: Option<Base>,
    /// Headers that are set on every request.
    pub headers: Vec<(CasedName, HeaderValue)>,
    /// Those of them where the caller's own value wins.
    pub caller_may_set: Vec<HeaderName>,
    /// Further request headers to remove.
    pub remove_headers: Vec<HeaderName>,
    pub protocol: Protocol,
    pub timeouts: Timeouts,
    pub retry: Retry,
    /// Who may call.
    pub access: Access,
    /// `tls.server_name`: the name to verify instead of the base URL's host.
    pub server_name: Option<String>,
    /// The outbound proxy, if connections are not direct.
    pub outbound_proxy: Option<OutboundProxy>,
}

/// The `[limits]` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Simultaneous connections from callers.
    pub connections: usize,
    /// The size of a request head, in bytes.
    pub header_bytes: usize,
    /// From the first byte of a request head to its end.
    pub header_timeout: Duration,
    /// Between two parts of a request body.
    pub body_idle: Duration,
    /// Between two requests on a connection.
    pub caller_idle: Duration,
    /// For how long a caller may leave its response unread.
    pub caller_write: Duration,
    /// Bytes kept for repeats, for all requests together.
    pub replay_total: u64,
    /// Requests in flight on all connections; derived from the descriptor limit if not set.
    pub requests: Option<usize>,
    /// Bytes that callers and upstreams may make the process hold; half of what the machine has available if not set.
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

/// The effective limits on this machine, for all callers together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    pub connections: usize,
    pub requests: usize,
    /// Sockets of callers and upstreams together.
    pub sockets: usize,
    /// Bytes that callers and upstreams may make the process hold.
    pub memory: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 1024, requests: usize::MAX, sockets: usize::MAX, memory: u64::MAX }
    }
}

impl Limits {
    /// Computes the effective limits for this many sockets and, unless `memory` is set, this many bytes. Callers leave at least
    /// half of the sockets to requests, each of which may need one.
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
