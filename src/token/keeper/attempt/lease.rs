//! The lease of the token's store name: how long to wait for it, and what is possible without it.

use std::time::Duration;

use crate::token::grant::Generation;
use crate::token::keeper::advice;
use crate::token::keeper::attempt::{Attempt, AttemptResult, token_of};
use crate::token::source::{MintError, Outcome};
use crate::token::store::{LONGEST_LEASE, Lease, Store, StoreError, StoreFault};

pub(super) type LeaseResult = Result<Box<dyn Lease>, StoreError>;

/// How long an attempt without a token waits for a lease whose holder may be stopped. It leaves half of the time that a
/// request waits for the login.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Attempt {
    /// Waits for the lease and reads the store under it.
    pub(super) async fn take_lease(&mut self) -> Result<LeaseResult, AttemptResult> {
        match self.store.lease_within(&self.spec.store_key, self.patience()).await {
            Ok(leased) => match self.take_over(leased.kept.as_ref()) {
                Some(grant) => Err(AttemptResult::Adopted(grant)),
                None => Ok(Ok(leased.lease)),
            },
            Err(error) => Ok(Err(error)),
        }
    }

    /// Only a refresh token requires the lease, and waiting for it costs nothing while the token is valid.
    fn patience(&self) -> Duration {
        let left = self.left();
        if left.is_zero() {
            PATIENCE
        } else if self.has_refresh_token() {
            left.min(LONGEST_LEASE)
        } else {
            PATIENCE.min(left / 2)
        }
    }

    /// How long requests can still use the current token.
    fn left(&self) -> Duration {
        if self.is_needed() {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        let token = self.previous.as_ref().map(|grant| token_of(grant, Generation::default(), &self.spec));
        token.map_or(Duration::ZERO, |token| token.expires().map_or(Duration::MAX, |end| end.since(now)))
    }

    /// Whether there is a refresh token, which no other process may send at the same time.
    fn has_refresh_token(&self) -> bool {
        !self.spec.source.can_login() || self.previous.as_ref().is_some_and(|grant| grant.refresh.is_some())
    }

    /// Why no request may be made now, although the token could be renewed.
    pub(super) fn must_wait(&mut self, lease: &LeaseResult) -> Option<MintError> {
        let lives = self.is_usable() && !self.rejected;
        match lease {
            Err(error) if self.store.is_shared() && self.has_refresh_token() && !self.is_needed() => {
                Some(self.no_store(error))
            }
            Ok(_) if self.sent_by_another && lives && !self.spec.source.can_login() => {
                self.waits = true;
                Some(sent_by_another())
            }
            Ok(_) | Err(_) => None,
        }
    }

    /// The error when a store fault prevents sending the refresh token.
    pub(super) fn no_store(&mut self, error: &StoreError) -> MintError {
        let can_login = self.spec.source.can_login();
        self.waits = error.fault == StoreFault::Held;
        self.action = Some(advice::after_fault(error.fault, can_login));
        failing(match error.fault {
            StoreFault::Away | StoreFault::Failed | StoreFault::Held => {
                format!("not sending the refresh token, because another process might send it too: {error}")
            }
            StoreFault::Misconfigured => format!("not sending the refresh token: {error}"),
            StoreFault::Damaged if can_login => {
                format!("not sending the refresh token: {error}; once this is resolved, bearerd logs in again")
            }
            StoreFault::Damaged => format!(
                "{error}. The newest refresh token was in it; an older one is not sent, because that could end the \
                 authorization. Authorize again, configure the new refresh token, and start with an empty store"
            ),
        })
    }
}

fn sent_by_another() -> MintError {
    let why = "another process has sent the refresh token and may still save the reply";
    failing(format!("{why}: it is sent once more when the current token expires"))
}

fn failing(message: String) -> MintError {
    MintError::new(Outcome::Connect, message)
}
