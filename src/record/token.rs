//! The token requests of one upstream.

use std::sync::Arc;
use std::time::Duration;

use super::Histogram;
use super::cell::Cell;

/// What a token request can be for.
pub const KINDS: [&str; 3] = ["login", "refresh", "revoke"];
/// How one can end.
pub const OUTCOMES: [&str; 6] = ["ok", "rejected", "status", "timeout", "connect", "bad_reply"];

/// Token requests of one upstream. The control thread writes what is about token requests, the data thread what is
/// about requests that need one.
#[derive(Debug)]
pub struct TokenRecord {
    /// The upstream's name.
    pub upstream: Arc<str>,
    requests: [[Cell; OUTCOMES.len()]; KINDS.len()],
    duration: Histogram,
    waits: Cell,
    subjects: Cell,
}

impl TokenRecord {
    /// Nothing happened yet.
    pub fn new(upstream: impl Into<Arc<str>>) -> Self {
        Self {
            upstream: upstream.into(),
            requests: Default::default(),
            duration: Histogram::default(),
            waits: Cell::default(),
            subjects: Cell::default(),
        }
    }

    /// A token request ended; `kind` is one of [`KINDS`], `outcome` one of [`OUTCOMES`], else it has no counter.
    pub fn token_request(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        let kind = KINDS.iter().position(|known| *known == kind);
        let outcome = OUTCOMES.iter().position(|known| *known == outcome);
        if let Some((kind, outcome)) = kind.zip(outcome) {
            self.requests[kind][outcome].add(1);
        }
        self.duration.add(took);
    }

    /// A request had to wait for a token.
    pub fn token_wait(&self) {
        self.waits.add(1);
    }

    /// How many subjects are held.
    pub fn set_subjects(&self, count: u64) {
        self.subjects.set(count);
    }

    /// Token requests as (kind, outcome, count), those that never happened included.
    pub fn token_requests(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let row = |(kind, row)| {
            std::iter::zip(OUTCOMES, row).map(move |(outcome, count): (_, &Cell)| (kind, outcome, count.get()))
        };
        std::iter::zip(KINDS, &self.requests).flat_map(row)
    }

    /// How long token requests took.
    pub fn duration(&self) -> &Histogram {
        &self.duration
    }

    /// Requests that had to wait for a token.
    pub fn waits(&self) -> u64 {
        self.waits.get()
    }

    /// How many subjects are held.
    pub fn subjects(&self) -> u64 {
        self.subjects.get()
    }
}
