//! What happened: counters, histograms and the last requests; written by proxy and token core, read by admin.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

/// Who is at fault for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Blame {
    /// Nobody: it went well.
    None,
    /// The caller.
    Client,
    /// The token endpoint, or the credentials.
    Token,
    /// The API.
    Upstream,
    /// bearerd itself.
    Bearerd,
}

/// What the one repeat of a request gave.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Replay {
    /// The repeat's answer was accepted.
    Accepted,
    /// The repeat was refused as the first attempt.
    Rejected,
    /// There was no different token in time.
    NoToken,
    /// The body was too large, or the method must not be repeated.
    NotRepeatable,
    /// The repeat did not get an answer.
    Failed,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path without the query.
    pub path: &'a str,
    /// The status the caller got; 0 if the caller was gone before.
    pub status: u16,
    /// Who is at fault.
    pub blame: Blame,
    /// How often it was sent to the upstream.
    pub attempts: u8,
    /// From its head to the end of the answer's body.
    pub whole: Duration,
    /// From sending to the upstream's head, the last attempt's.
    pub upstream: Option<Duration>,
    /// The repeat, if the answer asked for one.
    pub replay: Option<Replay>,
}

/// The requests of one upstream: written by the data thread alone, read by admin.
pub struct UpstreamRecord {
    /// The upstream's name.
    pub upstream: Arc<str>,
}

impl UpstreamRecord {
    /// Nothing happened yet.
    pub fn new(upstream: impl Into<Arc<str>>) -> Self {
        Self { upstream: upstream.into() }
    }

    /// A request began.
    pub fn started(&self) {}

    /// A request ended.
    pub fn finished(&self, _request: &Finished<'_>) {}
}

/// Token requests of one upstream.
pub struct TokenRecord {
    /// The upstream's name.
    pub upstream: Arc<str>,
}

impl TokenRecord {
    /// Nothing happened yet.
    pub fn new(upstream: impl Into<Arc<str>>) -> Self {
        Self { upstream: upstream.into() }
    }

    /// A token request ended; `kind` is `login`, `refresh` or `revoke`, `outcome` the metric's word.
    pub fn token_request(&self, _kind: &'static str, _outcome: &'static str, _took: Duration) {}

    /// A request had to wait for a token.
    pub fn token_wait(&self) {}
}

/// The data path as a whole.
#[derive(Default, Debug)]
pub struct ProxyRecord {
    connections: std::sync::atomic::AtomicU64,
    beat: std::sync::atomic::AtomicU64,
}

impl ProxyRecord {
    /// The data thread is alive; `now` is in whole seconds of its clock.
    pub fn beat(&self, now: u64) {
        self.beat.store(now, std::sync::atomic::Ordering::Relaxed);
    }

    /// When it last was.
    pub fn last_beat(&self) -> u64 {
        self.beat.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many callers are connected.
    pub fn set_connections(&self, count: u64) {
        self.connections.store(count, std::sync::atomic::Ordering::Relaxed);
    }

    /// How many callers are connected.
    pub fn connections(&self) -> u64 {
        self.connections.load(std::sync::atomic::Ordering::Relaxed)
    }
}
