//! An attempt from beginning to end: look what the store has, choose the step, ask, save.

use std::sync::Arc;
use std::time::Duration;

use super::lease::{LeaseResult, PATIENCE};
use super::{Attempt, AttemptResult};
use crate::panics;
use crate::token::grant::Grant;
use crate::token::source::{Ask, MintError, Outcome, Step};
use crate::token::store::{Store, StoreError, StoreFault, Stored};

/// A token request may take a quarter of the last lifetime, within these limits, so that a hanging request does not
/// outlast several short tokens.
const CALL: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

impl Attempt {
    /// Runs the attempt. The grant is saved before it is returned: a rotated refresh token must not be lost.
    pub(in crate::token) async fn run(mut self) -> (Self, AttemptResult) {
        let end = self.make().await;
        (self, end)
    }

    async fn make(&mut self) -> AttemptResult {
        // The holder of the lease may be waiting for a slow endpoint. A token that is already stored can be used
        // without the lease.
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

    /// The keeper enforces the interval since its own requests. This covers the request before a restart, or by another
    /// process. A grant from the far future comes from a wrong clock and is ignored.
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

    /// Refreshes. If the refresh token turns out to be dead, one login follows.
    async fn refresh(&mut self, lease: &mut LeaseResult) -> Result<Grant, AttemptResult> {
        let (can_login, sent_before) = (self.spec.source.can_login(), self.marked);
        let marked = self.mark(lease).await;
        if lease.as_ref().is_ok_and(|lease| lease.is_over()) {
            let late = StoreError::new(StoreFault::Failed, "the lease expired while the process was suspended");
            return Err(AttemptResult::Failed(self.no_store(&late)));
        }
        if let Err(error) = marked {
            // While the store is unreachable, the refresh token may not be the newest, and a reply could not be saved.
            // The current token is used until it expires; then a login is needed.
            let must_log_in = can_login && self.is_needed();
            let asked = if must_log_in { self.ask(Step::Login).await } else { Err(self.no_store(&error)) };
            return asked.map_err(AttemptResult::Failed);
        }
        let error = match self.ask(Step::Refresh).await {
            Ok(grant) => return Ok(grant),
            Err(error) => error,
        };
        // The process may have been suspended for longer than the lease, and another one has used the refresh token.
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

    /// Marks the refresh token as sent in the store, before it is sent.
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

    /// Removes the mark: without a connection, nothing was sent.
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
        let source = &self.spec.source;
        let done = panics::caught(async move { source.mint(ask).await }).await;
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

    /// Saves the grant before it is published. If the lease was lost in the meantime, the token that all others use is
    /// preferred.
    async fn save(&mut self, grant: Grant, lease: LeaseResult) -> AttemptResult {
        // Without a lease, a sibling may have a grant that is not saved either.
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
        // This also sees unsaved grants, of which this one is one.
        if let Some(others) = self.look().await.filter(|newest| *newest != grant) {
            return AttemptResult::Adopted(others);
        }
        // An unreachable store is logged by itself, and without a refresh token nothing is lost.
        let is_told = error.fault == StoreFault::Away && grant.refresh.is_none();
        if !said && !is_told {
            tracing::warn!(upstream = %self.spec.record.upstream, "the new token is in use, but could not be saved: {error}");
        }
        AttemptResult::Minted(grant)
    }

    /// Saves a grant that could not be saved when it was issued, or returns the store's newer one.
    pub(in crate::token) async fn save_again(self) -> Result<Option<Stored>, StoreError> {
        let key = &self.spec.store_key;
        let mut leased = self.store.lease_within(key, PATIENCE).await?;
        let Some(unsaved) = self.store.unsaved(key) else { return Ok(leased.kept) };
        leased.lease.save(&unsaved).await?;
        self.store.forget(key, unsaved.number);
        Ok(None)
    }
}
