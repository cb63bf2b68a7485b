//! The requests of one upstream.

use std::sync::Arc;

use super::cell::Cell;
use super::tally::{RequestCount, Tally};
use super::{Finished, Histogram, Journal, Replay};

/// The requests of one upstream. Only the data thread writes; admin reads.
#[derive(Debug)]
pub struct UpstreamRecord {
    pub upstream: Arc<str>,
    journal: Arc<Journal>,
    tally: Tally,
    in_flight: Cell,
    replays: [Cell; Replay::ALL.len()],
    whole: Histogram,
    to_head: Histogram,
}

impl UpstreamRecord {
    /// With a journal of its own.
    pub fn new(upstream: impl Into<Arc<str>>) -> Self {
        Self::within(Arc::default(), upstream)
    }

    /// With the journal that all upstreams share.
    pub fn within(journal: Arc<Journal>, upstream: impl Into<Arc<str>>) -> Self {
        Self {
            upstream: upstream.into(),
            journal,
            tally: Tally::default(),
            in_flight: Cell::default(),
            replays: Default::default(),
            whole: Histogram::default(),
            to_head: Histogram::default(),
        }
    }

    pub fn started(&self) {
        self.in_flight.add(1);
    }

    pub fn finished(&self, request: &Finished<'_>) {
        self.in_flight.take_one();
        self.tally.add(request.method, request.status, request.blame);
        self.whole.add(request.whole);
        if let Some(took) = request.upstream {
            self.to_head.add(took);
        }
        if let Some(replay) = request.replay {
            self.replays[replay as usize].add(1);
        }
        self.journal.add(&self.upstream, request);
    }

    /// Completed requests by method, status and blame.
    pub fn counts(&self) -> Vec<RequestCount> {
        self.tally.counts()
    }

    pub fn in_flight(&self) -> u64 {
        self.in_flight.get()
    }

    pub fn replays(&self, outcome: Replay) -> u64 {
        self.replays[outcome as usize].get()
    }

    /// Durations from the request head to the end of the response.
    pub fn whole(&self) -> &Histogram {
        &self.whole
    }

    /// Durations from sending a request to the upstream's response head.
    pub fn to_head(&self) -> &Histogram {
        &self.to_head
    }

    /// The journal of its requests.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }
}
