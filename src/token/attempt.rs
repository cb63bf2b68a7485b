//! One attempt at a token: look what the store has, choose the step, ask, save.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::grant::{Generation, Grant, Token};
use super::pool::TokenSpec;
use super::source::{Ask, MintError, Outcome, Step};
use super::store::{Store, StoreError, Stored};
use crate::clock::{Moment, SharedClock};

/// A token call has this long.
const CALL: Duration = Duration::from_secs(10);

/// An attempt, and what it learns on its way.
pub(super) struct Attempt {
    pub(super) spec: TokenSpec,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: SharedClock,
    /// Held throughout: keepers of one name in the store (a secret has changed) take turns with its refresh token.
    pub(super) turn: Arc<Mutex<()>>,
    /// The newest grant that is known.
    pub(super) previous: Option<Grant>,
    /// The API rejected its token.
    pub(super) rejected: bool,
    /// Its refresh token is not to be sent if there is another way.
    pub(super) spent: bool,
    /// We told the store that its refresh token was sent.
    pub(super) marked: bool,
    /// When a token was asked for.
    pub(super) requested: Option<Moment>,
    /// The new grant could not be saved.
    pub(super) unsaved: bool,
}

/// How it ended.
pub(super) enum End {
    /// The store had a newer token.
    Adopted(Grant),
    /// The endpoint gave one.
    Minted(Grant),
    /// No token.
    Failed(MintError),
    /// The store knows of a request that is too recent for another.
    TooEarly,
}

/// The part of a grant that readers get.
pub(super) fn token_of(grant: &Grant, generation: Generation, spec: &TokenSpec) -> Token {
    Token {
        generation,
        subject: spec.key.subject.clone(),
        access: grant.access.clone(),
        captures: grant.captures.clone(),
        issued: grant.issued,
        life: grant.life,
    }
}

/// Whether `grant` is another one than `ours`, and later.
pub(super) fn is_newer(grant: &Grant, ours: &Grant) -> bool {
    let differs = grant.access != ours.access || grant.refresh != ours.refresh;
    differs && grant.issued > ours.issued
}

impl Attempt {
    /// Runs it to its end. Saving comes before the grant is given away: a rotated refresh token must not be lost.
    pub(super) async fn run(mut self) -> (Self, End) {
        let turn = Arc::clone(&self.turn);
        let _ours = turn.lock().await;
        let end = self.make().await;
        (self, end)
    }

    async fn make(&mut self) -> End {
        let away = match self.store.load(&self.spec.store_key).await {
            Ok(Some(stored)) => match self.take_over(stored) {
                Some(grant) => return End::Adopted(grant),
                None => None,
            },
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if self.is_too_early() {
            return End::TooEarly;
        }
        let result = match self.step() {
            Step::Login => self.ask(Step::Login).await,
            Step::Refresh => self.refresh(away).await,
        };
        match result {
            Ok(grant) => {
                self.save(&grant).await;
                End::Minted(grant)
            }
            Err(error) => End::Failed(error),
        }
    }

    /// Makes a newer grant of the store the previous one; gives it back if its token saves the request.
    fn take_over(&mut self, stored: Stored) -> Option<Grant> {
        let foreign_mark = stored.refresh_sent && !self.marked;
        let newer = self.previous.as_ref().is_none_or(|ours| is_newer(&stored.grant, ours));
        if foreign_mark {
            // Whoever set the mark did not live to save the reply: the refresh token may be gone already.
            self.spent = true;
        }
        if !newer {
            return None;
        }
        self.rejected &= self.previous.as_ref().is_some_and(|ours| ours.access == stored.grant.access);
        self.spent = foreign_mark;
        self.marked = false;
        self.previous = Some(stored.grant.clone());
        let serves = !self.spec.prove && !foreign_mark && !self.rejected && self.is_usable();
        serves.then_some(stored.grant)
    }

    fn is_usable(&self) -> bool {
        let now = self.clock.now();
        let usable = |grant| token_of(grant, Generation::default(), &self.spec).is_usable(now);
        self.previous.as_ref().is_some_and(usable)
    }

    /// The keeper minds the interval since its own requests; this is for the one before a restart.
    fn is_too_early(&self) -> bool {
        let now = self.clock.now();
        self.previous.as_ref().is_some_and(|grant| now < grant.issued.min(now) + self.spec.policy.min_interval)
    }

    fn step(&self) -> Step {
        let source = &self.spec.source;
        let must_log_in = self.spent || self.spec.prove || !source.can_refresh(self.previous.as_ref(), self.rejected);
        if source.can_login() && must_log_in { Step::Login } else { Step::Refresh }
    }

    /// A refresh; a refresh token that turns out dead is followed by one login.
    async fn refresh(&mut self, away: Option<StoreError>) -> Result<Grant, MintError> {
        let can_login = self.spec.source.can_login();
        if let Err(error) = self.mark(away).await {
            // While the store is away nobody knows whether the refresh token is still the newest, and a reply could
            // not be saved: what we have is used to its end, then a login must do.
            return if can_login && !self.is_usable() { self.ask(Step::Login).await } else { Err(no_store(&error)) };
        }
        let error = match self.ask(Step::Refresh).await {
            Ok(grant) => return Ok(grant),
            Err(error) => error,
        };
        if error.grant_is_dead && can_login {
            tracing::info!(upstream = %self.spec.record.upstream, "the refresh token is dead, logging in: {error}");
            self.spent = true;
            return self.ask(Step::Login).await;
        }
        if error.outcome == Outcome::Connect {
            self.unmark().await;
        }
        Err(error)
    }

    /// Records that the refresh token is about to be sent.
    async fn mark(&mut self, away: Option<StoreError>) -> Result<(), StoreError> {
        let sends_refresh_token = self.previous.as_ref().is_none_or(|grant| grant.refresh.is_some());
        match (away, &self.previous) {
            (Some(error), _) if sends_refresh_token => Err(error),
            (None, Some(grant)) if sends_refresh_token => {
                let stored = Stored { grant: grant.clone(), refresh_sent: true };
                self.store.save(&self.spec.store_key, &stored).await?;
                self.marked = true;
                Ok(())
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Without a connection nothing was sent.
    async fn unmark(&mut self) {
        let Some(grant) = self.previous.clone().filter(|_| self.marked) else { return };
        let stored = Stored { grant, refresh_sent: false };
        self.marked = self.store.save(&self.spec.store_key, &stored).await.is_err();
    }

    async fn ask(&mut self, step: Step) -> Result<Grant, MintError> {
        let started = self.clock.now();
        self.requested = Some(started);
        let subject = self.spec.key.subject.as_ref();
        let ask = Ask { step, subject, previous: self.previous.as_ref() };
        let result = tokio::time::timeout(CALL, self.spec.source.mint(ask)).await.unwrap_or_else(|_| Err(no_reply()));
        let outcome = result.as_ref().err().map_or(Outcome::Ok, |error| error.outcome);
        let kind = match step {
            Step::Login => "login",
            Step::Refresh => "refresh",
        };
        self.spec.record.token_request(kind, outcome.as_str(), self.clock.now().since(started));
        result
    }

    async fn save(&mut self, grant: &Grant) {
        let stored = Stored { grant: grant.clone(), refresh_sent: false };
        if let Err(error) = self.store.save(&self.spec.store_key, &stored).await {
            tracing::warn!(upstream = %self.spec.record.upstream, "the new token is used, but not saved: {error}");
            self.unsaved = true;
        }
    }
}

/// Saves a grant that could not be saved when it came, unless the store has a newer one by now.
pub(super) async fn save_again(attempt: Attempt) -> bool {
    let _ours = attempt.turn.lock().await;
    let Some(grant) = attempt.previous else { return true };
    let key = &attempt.spec.store_key;
    match attempt.store.load(key).await {
        Ok(Some(stored)) if is_newer(&stored.grant, &grant) => true,
        Ok(_) => attempt.store.save(key, &Stored { grant, refresh_sent: false }).await.is_ok(),
        Err(_) => false,
    }
}

fn no_reply() -> MintError {
    let message = format!("the token endpoint did not answer within {} s", CALL.as_secs());
    MintError { outcome: Outcome::Timeout, grant_is_dead: false, retry_after: None, message }
}

fn no_store(error: &StoreError) -> MintError {
    let message = format!("the refresh token is not sent while the store is away: {error}");
    MintError { outcome: Outcome::Connect, grant_is_dead: false, retry_after: None, message }
}
