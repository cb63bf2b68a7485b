//! The token requests of one upstream.

use std::sync::Arc;
use std::time::Duration;

use super::Histogram;
use super::cell::Cell;

/// The kinds of token requests.
pub const KINDS: [&str; 3] = ["login", "refresh", "revoke"];
/// The outcomes of token requests.
pub const OUTCOMES: [&str; 6] = ["ok", "rejected", "status", "timeout", "connect", "bad_reply"];

/// Token requests of one upstream. The control thread writes the counters of token requests, the data thread those of
/// waiting requests.
#[derive(Debug)]
pub struct TokenRecord {
    pub upstream: Arc<str>,
    requests: [[Cell; OUTCOMES.len()]; KINDS.len()],
    duration: Histogram,
    waits: Cell,
    subjects: Cell,
}

impl TokenRecord {
    pub fn new(upstream: impl Into<Arc<str>>) -> Self {
        Self {
            upstream: upstream.into(),
            requests: Default::default(),
            duration: Histogram::default(),
            waits: Cell::default(),
            subjects: Cell::default(),
        }
    }

    /// Counts a token request. `kind` must be one of [`KINDS`] and `outcome` one of [`OUTCOMES`], else nothing is
    /// counted.
    pub fn token_request(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        let kind = KINDS.iter().position(|known| *known == kind);
        let outcome = OUTCOMES.iter().position(|known| *known == outcome);
        if let Some((kind, outcome)) = kind.zip(outcome) {
            self.requests[kind][outcome].add(1);
        }
        self.duration.add(took);
    }

    /// Counts a request that had to wait for a token.
    pub fn token_wait(&self) {
        self.waits.add(1);
    }

    pub fn set_subjects(&self, count: u64) {
        self.subjects.set(count);
    }

    /// All counters as (kind, outcome, count), zeros included.
    pub fn token_requests(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let row = |(kind, row)| {
            std::iter::zip(OUTCOMES, row).map(move |(outcome, count): (_, &Cell)| (kind, outcome, count.get()))
        };
        std::iter::zip(KINDS, &self.requests).flat_map(row)
    }

    /// The durations of token requests.
    pub fn duration(&self) -> &Histogram {
        &self.duration
    }

    /// Requests that had to wait for a token.
    pub fn waits(&self) -> u64 {
        self.waits.get()
    }

    pub fn subjects(&self) -> u64 {
        self.subjects.get()
    }
}
