//! What happened: counters, histograms and the last requests; written by proxy and token core, read by admin.
//!
//! The data thread writes with plain loads and stores and never waits for a reader; admin adds up when it is asked.

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

impl Blame {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::None, Self::Client, Self::Token, Self::Upstream, Self::Bearerd];

    /// The metric's word.
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

impl Replay {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Rejected, Self::NoToken, Self::NotRepeatable, Self::Failed];

    /// The metric's word.
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

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// When it ended, by the wall's clock.
    pub at: SystemTime,
    /// Its method.
    pub method: &'a Method,
    /// Its path without the query.
    pub path: &'a str,
    /// The status the caller got; 0 if the caller was gone before.
    pub status: u16,
    /// The error code, where bearerd itself answered.
    pub code: Option<&'static str>,
    /// Who is at fault.
    pub blame: Blame,
    /// Whether the answer was broken off before its end: by the caller, the upstream or the end of the process.
    pub cut: bool,
    /// How often it was sent to the upstream.
    pub attempts: u8,
    /// Which token was sent last.
    pub generation: Option<u64>,
    /// From its head to the end of the answer's body.
    pub whole: Duration,
    /// From sending to the upstream's head, the last attempt's.
    pub upstream: Option<Duration>,
    /// The repeat, if the answer asked for one.
    pub replay: Option<Replay>,
}

/// The data path as a whole.
#[derive(Default, Debug)]
pub struct ProxyRecord {
    limits: [LimitRecord; Limit::ALL.len()],
    beat: cell::Cell,
}

impl ProxyRecord {
    /// The data thread is alive; `now` is in whole seconds of its clock.
    pub fn beat(&self, now: u64) {
        self.beat.set(now);
    }

    /// When it last was.
    pub fn last_beat(&self) -> u64 {
        self.beat.get()
    }

    /// One of the limits.
    pub fn limit(&self, limit: Limit) -> &LimitRecord {
        let [connections, requests, sockets, memory] = &self.limits;
        match limit {
            Limit::Connections => connections,
            Limit::Requests => requests,
            Limit::Sockets => sockets,
            Limit::Memory => memory,
        }
    }

    /// How many callers are connected.
    pub fn connections(&self) -> u64 {
        self.limit(Limit::Connections).used()
    }
}
