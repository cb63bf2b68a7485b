//! An attempt from beginning to end: look what the store has, choose the step, ask, save.

use std::sync::Arc;
use std::time::Duration;

use super::lease::{LeaseResult, PATIENCE};
use super::{Attempt, AttemptResult};
use crate::panics;
use crate::token::grant::Grant;
use crate::token::source::{Ask, MintError, Outcome, Step};
use crate::token::store::{Store, StoreError, StoreFault, Stored};

/// A token call has a quarter of the last life, within these: whoever hangs must not outlast several short tokens.
const CALL: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

impl Attempt {
    /// Runs it to its end. Saving comes before the grant is given away: a rotated refresh token must not be lost.
    pub(in crate::token) async fn run(mut self) -> (Self, AttemptResult) {
        let end = self.make().await;
        (self, end)
    }

    async fn make(&mut self) -> AttemptResult {
        // Whoever holds the lease may wait for a slow endpoint; a token that is there already serves without it.
        if let Some(grant) = self.look().await {
            return AttemptResult::Adopted(grant);
        }
        let source = Arc::clone(&self.spec.source);
        let _place = source.place(self.previous.is_none()).await;
        let mut lease = match self.take_lease().await {
            Ok(lease) => lease,
            Err(end) => return end,
        };
        if self.is_too_early() {
            return AttemptResult::TooEarly;
        }
        if let Some(reason) = self.must_wait(&lease) {
            return AttemptResult::Failed(reason);
        }
        let result = match self.step() {
            Step::Login => self.ask(Step::Login).await.map_err(AttemptResult::Failed),
            Step::Refresh => self.refresh(&mut lease).await,
        };
        match result {
            Ok(grant) => self.save(grant, lease).await,
            Err(end) => end,
        }
    }

    /// The keeper minds the interval since its own requests; this is for the one before a restart, or of another
    /// process. A grant from the far future comes from a clock that was wrong, and says nothing.
    fn is_too_early(&self) -> bool {
        let now = self.clock.now();
        let away = |grant: &Grant| now.since(grant.issued).max(grant.issued.since(now));
        self.previous.as_ref().is_some_and(|grant| away(grant) < self.spec.policy.min_interval)
    }

    fn step(&self) -> Step {
        let source = &self.spec.source;
        let must_log_in = self.spent || self.spec.prove || !source.can_refresh(self.previous.as_ref(), self.rejected);
        if source.can_login() && must_log_in { Step::Login } else { Step::Refresh }
    }

    /// A refresh; a refresh token that turns out dead is followed by one login.
    async fn refresh(&mut self, lease: &mut LeaseResult) -> Result<Grant, AttemptResult> {
        let (can_login, sent_before) = (self.spec.source.can_login(), self.marked);
        let marked = self.mark(lease).await;
        if lease.as_ref().is_ok_and(|lease| lease.is_over()) {
            let late = StoreError::new(StoreFault::Failed, "the lease expired while the process was suspended");
            return Err(AttemptResult::Failed(self.no_store(&late)));
        }
        if let Err(error) = marked {
            // While the store is away nobody knows whether the refresh token is still the newest, and a reply could
            // not be saved: what we have is used to its end, then a login must do.
            let must_log_in = can_login && self.is_needed();
            let asked = if must_log_in { self.ask(Step::Login).await } else { Err(self.no_store(&error)) };
            return asked.map_err(AttemptResult::Failed);
        }
        let error = match self.ask(Step::Refresh).await {
            Ok(grant) => return Ok(grant),
            Err(error) => error,
        };
        // We may have slept for longer than the lease, and somebody else has used the refresh token.
        if error.grant_is_dead
            && let Some(grant) = self.look().await
        {
            return Err(AttemptResult::Adopted(grant));
        }
        if error.grant_is_dead && can_login {
            tracing::info!(upstream = %self.spec.record.upstream, "the refresh token no longer works, logging in: {error}");
            self.spent = true;
            return self.ask(Step::Login).await.map_err(AttemptResult::Failed);
        }
        if error.outcome == Outcome::Connect && !sent_before {
            self.unmark(lease).await;
        }
        Err(AttemptResult::Failed(error))
    }

    /// Records that the refresh token is about to be sent.
    async fn mark(&mut self, lease: &mut LeaseResult) -> Result<(), StoreError> {
        if self.previous.as_ref().is_some_and(|grant| grant.refresh.is_none()) {
            return Ok(());
        }
        let lease = lease.as_mut().map_err(|error| error.clone())?;
        if let Some(grant) = self.previous.clone() {
            lease.save(&Stored { number: self.number, grant, refresh_sent: true, forced: false }).await?;
            self.store.marked(&self.spec.store_key, self.number);
            self.marked = true;
        }
        Ok(())
    }

    /// Without a connection nothing was sent.
    async fn unmark(&mut self, lease: &mut LeaseResult) {
        let (Some(grant), Ok(lease)) = (self.previous.clone().filter(|_| self.marked), lease) else { return };
        let stored = Stored { number: self.number, grant, refresh_sent: false, forced: false };
        self.marked = lease.save(&stored).await.is_err();
    }

    async fn ask(&mut self, step: Step) -> Result<Grant, MintError> {
        let started = self.clock.now();
        self.requested = Some(started);
        let subject = self.spec.key.subject.as_ref();
        let ask = Ask { step, subject, previous: self.previous.as_ref(), patience: self.limit() };
        let done = panics::caught(self.spec.source.mint(ask)).await;
        let result = done.unwrap_or_else(|panicked| Err(MintError::new(Outcome::BadReply, panicked.to_string())));
        let outcome = result.as_ref().err().map_or(Outcome::Ok, |error| error.outcome);
        let kind = match step {
            Step::Login => "login",
            Step::Refresh => "refresh",
        };
        self.spec.record.token_request(kind, outcome.as_str(), self.clock.now().since(started));
        result
    }

    fn limit(&self) -> Duration {
        let (least, most) = CALL;
        self.previous.as_ref().and_then(Grant::length).map_or(most, |life| (life / 4).clamp(least, most))
    }

    /// Saves before anybody sees it. Where the lease was lost meanwhile, the token that all others use is the better.
    async fn save(&mut self, grant: Grant, lease: LeaseResult) -> AttemptResult {
        // Without a lease nobody told us of a sibling's grant that is not saved either.
        let unsaved = self.store.unsaved(&self.spec.store_key).map_or(0, |unsaved| unsaved.number);
        self.number = self.number.max(self.generation.0).max(unsaved).saturating_add(1);
        let stored = Stored { number: self.number, grant: grant.clone(), refresh_sent: false, forced: self.forced };
        let saved = match lease {
            Ok(mut lease) => lease.save(&stored).await,
            Err(error) => Err(error),
        };
        let key = &self.spec.store_key.clone();
        let said = self.store.lacks(key);
        let Err(error) = saved else {
            self.store.forget(key, self.number);
            return AttemptResult::Minted(grant);
        };
        self.store.remember(key, stored);
        // What the store lacks is looked at as well, and that is ours.
        if let Some(others) = self.look().await.filter(|newest| *newest != grant) {
            return AttemptResult::Adopted(others);
        }
        // A store that is away says so itself, and without a refresh token nothing is lost.
        let is_told = error.fault == StoreFault::Away && grant.refresh.is_none();
        if !said && !is_told {
            tracing::warn!(upstream = %self.spec.record.upstream, "the new token is in use, but could not be saved: {error}");
        }
        AttemptResult::Minted(grant)
    }

    /// Saves a grant that could not be saved when it came, or gives back what the store has instead by now.
    pub(in crate::token) async fn save_again(self) -> Result<Option<Stored>, StoreError> {
        let key = &self.spec.store_key;
        let mut leased = self.store.lease_within(key, PATIENCE).await?;
        let Some(unsaved) = self.store.unsaved(key) else { return Ok(leased.kept) };
        leased.lease.save(&unsaved).await?;
        self.store.forget(key, unsaved.number);
        Ok(None)
    }
}
