//! Changed credentials that are being tried: waits for their first tokens.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::token::handle::TokenHandle;
use crate::token::status::State;

/// After this time without an answer for a candidate, a line is logged.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// The candidates, by number.
pub(super) struct Trials {
    waiting: JoinSet<TrialEvent>,
    numbers: u64,
}

/// The result of a candidate.
pub(super) enum TrialEvent {
    /// It has a token.
    Proven(u64),
    /// It has had no answer yet.
    Silent(u64),
}

impl Trials {
    pub(super) fn none() -> Self {
        Self { waiting: JoinSet::new(), numbers: 0 }
    }

    /// The number of the next candidate.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers = self.numbers.saturating_add(1);
        self.numbers
    }

    /// Waits for a candidate.
    pub(super) fn prove(&mut self, provers: Vec<TokenHandle>, number: u64) {
        if provers.is_empty() {
            // Without a token to try it with, each subject's first request will.
            self.waiting.spawn(std::future::ready(TrialEvent::Proven(number)));
            return;
        }
        for handle in provers {
            self.waiting.spawn(async move {
                proof(handle).await;
                TrialEvent::Proven(number)
            });
        }
        self.waiting.spawn(async move {
            sleep(SILENCE).await;
            TrialEvent::Silent(number)
        });
    }

    /// The next result; waits while there is no candidate.
    pub(super) async fn next(&mut self) -> TrialEvent {
        loop {
            match self.waiting.join_next().await {
                Some(Ok(event)) => return event,
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    pub(super) fn abort(&mut self) {
        self.waiting.abort_all();
    }
}

/// Returns when the token has arrived.
async fn proof(handle: TokenHandle) {
    while !matches!(handle.status().state, State::Fresh | State::Degraded) {
        handle.changed().await;
    }
}
