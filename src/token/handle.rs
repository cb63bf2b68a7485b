//! The reader's side of a token. A request reads the token, or waits a limited time for it.

pub(super) mod shared;
pub(super) mod view;
pub(in crate::token) mod waiter;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use self::shared::{Message, Shared};
use self::view::Availability;
use self::waiter::Waiter;
use super::grant::{Generation, Token};
use super::status::{Forced, NoToken, Promise, Status};
use crate::clock::Moment;

/// A reader of one token. Upstreams and requests in flight clone it. When the last clone is dropped, the pool gives the
/// token up.
pub struct TokenHandle {
    shared: Arc<Shared>,
    /// The revision that `status()` returned last.
    seen: AtomicU64,
}

impl TokenHandle {
    #[cfg(test)]
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, seen: AtomicU64::new(0) }
    }

    /// The token, if it is usable now. Never waits: one atomic load, and a note that the token is in use.
    pub fn current(&self, now: Moment) -> Option<Arc<Token>> {
        self.shared.note_use();
        self.shared.view().usable(now).cloned()
    }

    /// The generation of the newest token. It is cheap enough for every request: a cache of something rendered from a
    /// token compares its generation with this one. Counts as use of the token, like [`TokenHandle::current`].
    pub fn generation(&self) -> Generation {
        self.shared.note_use();
        self.shared.generation()
    }

    /// Whether there has been a token yet. Does not count as use of the token.
    pub(super) fn promise(&self) -> Promise {
        match self.shared.generation() {
            Generation(0) if self.shared.view().trouble.is_some() => Promise::Broken,
            Generation(0) => Promise::Open,
            Generation(_) => Promise::Kept,
        }
    }

    /// When the next token request may be made.
    pub(super) fn held_until(&self) -> Option<Moment> {
        self.shared.view().next
    }

    /// A usable token. Waits up to `patience` if an attempt is running or due within that time.
    pub async fn usable(&self, patience: Duration) -> Result<Arc<Token>, NoToken> {
        let now = self.shared.clock.now();
        let until = now + patience;
        self.shared.note_use();
        if let Availability::Answer(answer) = self.shared.view().availability(now, until) {
            return answer;
        }
        let (answer, answered) = oneshot::channel();
        self.shared.send(Message::Waiting(Waiter::Usable { patience: until, answer }));
        if let Ok(Ok(answer)) = tokio::time::timeout(patience, answered).await {
            return answer;
        }
        Err(self.shared.view().no_token(self.shared.clock.now()))
    }

    /// The usable token, if any, after a running attempt has ended. For a process that exits right afterwards: if it
    /// did not wait for the reply to a refresh, it would lose the new refresh token. Does not count as use, so it does
    /// not request a renewal.
    pub async fn at_rest(&self) -> Option<Arc<Token>> {
        loop {
            let seen = self.shared.revision();
            let view = Arc::clone(&self.shared.view());
            if !view.running {
                return view.usable(self.shared.clock.now()).cloned();
            }
            self.shared.wait_past(seen).await;
        }
    }

    /// A different token, after the API rejected `generation`. Waits up to `patience`. `None` if there will be none in
    /// time, and at once if the bounds on forced renewals do not allow one.
    pub async fn renewed_after(&self, generation: Generation, patience: Duration) -> Option<Arc<Token>> {
        let now = self.shared.clock.now();
        let until = now + patience;
        match self.successor(generation, now, until) {
            Availability::Answer(answer) => return answer,
            Availability::Wait | Availability::Ask => {}
        }
        let (answer, answered) = oneshot::channel();
        self.shared.send(Message::Waiting(Waiter::Successor { rejected: generation, patience: until, answer }));
        tokio::time::timeout(patience, answered).await.ok()?.ok()?
    }

    /// Like [`TokenHandle::renewed_after`], for a request that cannot be repeated: requests a renewal and does not
    /// wait.
    pub fn rejected(&self, generation: Generation) {
        let now = self.shared.clock.now();
        if self.successor(generation, now, now) == Availability::Ask {
            self.shared.send(Message::Rejected(generation));
        }
    }

    /// The answer, if it is known without asking the keeper. If the API has accepted the token since, the bounds on
    /// forced renewals are reset, and only the keeper knows that.
    fn successor(&self, rejected: Generation, now: Moment, until: Moment) -> Availability<Option<Arc<Token>>> {
        match self.shared.view().successor(rejected, now, until) {
            Availability::Answer(None) if self.shared.was_accepted(rejected) => Availability::Ask,
            availability => availability,
        }
    }

    /// The API accepted `generation`, which resets the bounds on forced renewals.
    pub fn accepted(&self, generation: Generation) {
        self.shared.note_accepted(generation);
    }

    /// Renews now, within the bounds on forced renewals.
    pub async fn force(&self) -> Forced {
        let (answer, answered) = oneshot::channel();
        self.shared.send(Message::Force(answer));
        answered.await.unwrap_or_else(|_| Forced::Failed("bearerd is stopping".to_owned()))
    }

    /// The state of the token, for status, metrics and probes.
    pub fn status(&self) -> Status {
        self.seen.store(self.shared.revision(), Ordering::Relaxed);
        self.shared.view().status(self.shared.clock.now())
    }

    /// Returns when the status may have changed since the last call of `status()` on this reader.
    pub async fn changed(&self) {
        self.shared.wait_past(self.seen.load(Ordering::Relaxed)).await;
    }
}

impl Clone for TokenHandle {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: AtomicU64::new(self.seen.load(Ordering::Relaxed)) }
    }
}
