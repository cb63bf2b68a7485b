//! The lease of the token's name: how long to wait for it, and what goes on without.

use std::time::Duration;

use crate::token::grant::Generation;
use crate::token::keeper::advice;
use crate::token::keeper::attempt::{Attempt, AttemptResult, token_of};
use crate::token::source::{MintError, Outcome};
use crate::token::store::{LONGEST_LEASE, Lease, Store, StoreError, StoreFault};

/// The lease, or why there is none.
pub(super) type LeaseResult = Result<Box<dyn Lease>, StoreError>;

/// Whoever has no token waits so long for a lease whose holder may be stopped. It leaves a login half of the time that a
/// request waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Attempt {
    /// Waits for the lease, and looks what the store has under it.
    pub(super) async fn take_lease(&mut self) -> Result<LeaseResult, AttemptResult> {
        match self.store.lease_within(&self.spec.store_key, self.patience()).await {
            Ok(leased) => match self.take_over(leased.kept.as_ref()) {
                Some(grant) => Err(AttemptResult::Adopted(grant)),
                None => Ok(Ok(leased.lease)),
            },
            Err(error) => Ok(Err(error)),
        }
    }

    /// Only a refresh token makes the lease a must, and a token that lives makes the wait for it cheap.
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

    /// For how long requests do without a new token.
    fn left(&self) -> Duration {
        if self.is_needed() {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        let token = self.previous.as_ref().map(|grant| token_of(grant, Generation::default(), &self.spec));
        token.map_or(Duration::ZERO, |token| token.expires().map_or(Duration::MAX, |end| end.since(now)))
    }

    /// Whether there is a refresh token that others must not send at the same time.
    fn has_refresh_token(&self) -> bool {
        !self.spec.source.can_login() || self.previous.as_ref().is_some_and(|grant| grant.refresh.is_some())
    }

    /// Why there must be no request now, though the token could be renewed.
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

    /// The refresh token stays where it is, because of a fault of the store.
    pub(super) fn no_store(&mut self, error: &StoreError) -> MintError {
        let can_login = self.spec.source.can_login();
        self.waits = error.fault == StoreFault::Held;
        self.action = Some(advice::after_fault(error.fault, can_login));
        failing(match error.fault {
            StoreFault::Away | StoreFault::Failed | StoreFault::Held => {
                format!("the refresh token is not sent, since another process might send it too: {error}")
            }
            StoreFault::Misconfigured => format!("the refresh token is not sent: {error}"),
            StoreFault::Damaged if can_login => {
                format!("the refresh token is not sent: {error}; with this out of the way, bearerd logs in anew")
            }
            StoreFault::Damaged => format!(
                "{error}, and the newest refresh token was in there: an older one is not sent, since that could end the \
                 authorization. Authorize again, configure the new refresh token, and start with an empty store"
            ),
        })
    }
}

fn sent_by_another() -> MintError {
    let why = "another process has sent the refresh token and may yet save the reply";
    failing(format!("{why}: it is sent once more when the present token has ended"))
}

fn failing(message: String) -> MintError {
    MintError::new(Outcome::Connect, message)
}
