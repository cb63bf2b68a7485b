//! The reader's side of a token: a request borrows it, or waits a bounded time for it.

pub(super) mod shared;
pub(super) mod view;
pub(in crate::token) mod waiter;

use super::status::{Forced, NoToken, Promise, Status};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use self::shared::{Message, Shared};
use self::view::Availability;
use self::waiter::Waiter;
use super::grant::{Generation, Token};
use crate::clock::Moment;

/// A reader of one token. Cloned by upstreams and requests in flight; when the last one goes, so does the token.
pub struct TokenHandle {
    shared: Arc<Shared>,
    /// The revision that `status()` last saw.
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

    /// The token, if it may be used now. Never waits: an atomic load, and a note that the token is in use.
    pub fn current(&self, now: Moment) -> Option<Arc<Token>> {
        self.shared.note_use();
        self.shared.view().usable(now).cloned()
    }

    /// The generation of the newest token, cheap enough to ask for each request: whoever keeps something rendered from
    /// a token compares it with this. Counts as use of the token, as [`TokenHandle::current`] does.
    pub fn generation(&self) -> Generation {
        self.shared.note_use();
        self.shared.generation()
    }

    /// What it has come to; no use of the token.
    pub(super) fn promise(&self) -> Promise {
        match self.shared.generation() {
            Generation(0) if self.shared.view().trouble.is_some() => Promise::Broken,
            Generation(0) => Promise::Open,
            Generation(_) => Promise::Kept,
        }
    }

    /// When it may be asked for again.
    pub(super) fn held_until(&self) -> Option<Moment> {
        self.shared.view().next
    }

    /// A usable token, waiting at most `patience` while an attempt is running or due within it.
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

    /// The token, if one can be used, once no attempt is under way: for who leaves right after, because a refresh that is
    /// not heard out uses up its refresh token. No use of the token, so it asks for no renewal.
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

    /// After the API rejected `generation`: a different token, waiting at most `patience`; `None` when there will be
    /// none in time, at once when the bounds on forced renewals refuse one.
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

    /// As [`TokenHandle::renewed_after`], for a request that cannot be repeated: nothing to wait for.
    pub fn rejected(&self, generation: Generation) {
        let now = self.shared.clock.now();
        if self.successor(generation, now, now) == Availability::Ask {
            self.shared.send(Message::Rejected(generation));
        }
    }

    /// What is known without the keeper. An answer that accepted the token since makes forced renewals free again,
    /// which only the keeper can tell.
    fn successor(&self, rejected: Generation, now: Moment, until: Moment) -> Availability<Option<Arc<Token>>> {
        match self.shared.view().successor(rejected, now, until) {
            Availability::Answer(None) if self.shared.was_accepted(rejected) => Availability::Ask,
            availability => availability,
        }
    }

    /// An answer accepted `generation`: forced renewals are free again.
    pub fn accepted(&self, generation: Generation) {
        self.shared.note_accepted(generation);
    }

    /// Renews now, within the bounds on forced renewals.
    pub async fn force(&self) -> Forced {
        let (answer, answered) = oneshot::channel();
        self.shared.send(Message::Force(answer));
        answered.await.unwrap_or_else(|_| Forced::Failed("bearerd is stopping".to_owned()))
    }

    /// How the token stands.
    pub fn status(&self) -> Status {
        self.seen.store(self.shared.revision(), Ordering::Relaxed);
        self.shared.view().status(self.shared.clock.now())
    }

    /// Returns when the status may have changed since `status()` was last called on this reader.
    pub async fn changed(&self) {
        self.shared.wait_past(self.seen.load(Ordering::Relaxed)).await;
    }
}

impl Clone for TokenHandle {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: AtomicU64::new(self.seen.load(Ordering::Relaxed)) }
    }
}
