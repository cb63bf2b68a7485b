//! Counters, histograms and the most recent requests: written by the proxy and the token core, read by admin.
//!
//! The data thread writes with plain loads and stores and never waits for a reader. Admin adds up on demand.

mod cell;
mod histogram;
mod journal;
mod limits;
mod tally;
#[cfg(test)]
mod tests;
mod token;
mod upstream;

use std::time::{Duration, SystemTime};

use http::Method;

pub use histogram::{Histogram, Snapshot};
pub use journal::{AccessLog, Journal, JournalEntry};
pub use limits::{Limit, LimitRecord};
pub use tally::RequestCount;
pub use token::{KINDS, OUTCOMES, TokenRecord};
pub use upstream::UpstreamRecord;

/// Who caused an error response.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Blame {
    /// Nobody: no error.
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

impl Blame {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::None, Self::Client, Self::Token, Self::Upstream, Self::Bearerd];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Client => "client",
            Self::Token => "token",
            Self::Upstream => "upstream",
            Self::Bearerd => "bearerd",
        }
    }
}

/// The outcome of the one repeat of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Replay {
    /// The API accepted the new token.
    Accepted,
    /// The API rejected the new token too.
    Rejected,
    /// There was no different token in time.
    NoToken,
    /// The body was too large to keep, or the method must not be repeated.
    NotRepeatable,
    /// The repeat failed without a response.
    Failed,
}

impl Replay {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Rejected, Self::NoToken, Self::NotRepeatable, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::NoToken => "no_token",
            Self::NotRepeatable => "not_repeatable",
            Self::Failed => "failed",
        }
    }
}

/// A completed request.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// When it ended, in wall-clock time.
    pub at: SystemTime,
    pub method: &'a Method,
    /// The path without the query.
    pub path: &'a str,
    /// The status that the caller got; 0 if the caller disconnected before.
    pub status: u16,
    /// The error code, if bearerd itself responded.
    pub code: Option<&'static str>,
    pub blame: Blame,
    /// Whether the response ended early: because of the caller, the upstream or shutdown.
    pub cut: bool,
    pub attempts: u8,
    /// The generation of the token that was sent last.
    pub generation: Option<u64>,
    /// From its head to the end of the response body.
    pub whole: Duration,
    /// From sending the last attempt to the upstream's response head.
    pub upstream: Option<Duration>,
    /// The outcome of the repeat, if the response rejected the token.
    pub replay: Option<Replay>,
}

/// The data path as a whole.
#[derive(Default, Debug)]
pub struct ProxyRecord {
    limits: [LimitRecord; Limit::ALL.len()],
    beat: cell::Cell,
}

impl ProxyRecord {
    /// Records that the data thread is alive. `now` is in whole seconds of its clock.
    pub fn beat(&self, now: u64) {
        self.beat.set(now);
    }

    /// The time of the last beat.
    pub fn last_beat(&self) -> u64 {
        self.beat.get()
    }

    pub fn limit(&self, limit: Limit) -> &LimitRecord {
        let [connections, requests, sockets, memory] = &self.limits;
        match limit {
            Limit::Connections => connections,
            Limit::Requests => requests,
            Limit::Sockets => sockets,
            Limit::Memory => memory,
        }
    }

    pub fn connections(&self) -> u64 {
        self.limit(Limit::Connections).used()
    }
}
