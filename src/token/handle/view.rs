//! The view of a token that a keeper publishes, and the rules for when a request waits.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use crate::clock::Moment;
use crate::token::action::Action;
use crate::token::grant::{Generation, Token};
use crate::token::status::{LastError, NoToken, State, Status};

/// The `Retry-After` when the next attempt's time is unknown.
const SOON: Duration = Duration::from_secs(1);

/// Why the last attempt failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::token) struct Trouble {
    /// The credentials were refused; otherwise the endpoint failed.
    pub(in crate::token) refused: bool,
    pub(in crate::token) action: Action,
    pub(in crate::token) message: Arc<str>,
    pub(in crate::token) at: SystemTime,
}

/// A token and its next renewal at one moment. A token can be valid while `trouble` is set: a failure never discards a
/// valid token.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::token) struct View {
    /// The newest token, even if it has expired.
    pub(in crate::token) token: Option<Arc<Token>>,
    pub(in crate::token) obtained_at: Option<SystemTime>,
    pub(in crate::token) trouble: Option<Trouble>,
    pub(in crate::token) running: bool,
    /// When the next attempt is due.
    pub(in crate::token) next: Option<Moment>,
    /// The next attempt is a forced renewal.
    pub(in crate::token) forcing: bool,
    /// No forced renewal starts before this.
    pub(in crate::token) forced_from: Option<Moment>,
}

/// The keeper's working copy of the view. It is shared with the readers once published; the next change makes a copy.
#[derive(Default)]
pub(in crate::token) struct ViewBuilder(Arc<View>);

impl ViewBuilder {
    /// Publishes the view, unless the readers already see an equal one. Returns whether it did.
    pub(in crate::token) fn publish(&mut self, readers: &ArcSwap<View>) -> bool {
        let present = readers.load_full();
        let changed = *present != *self.0;
        if changed {
            readers.store(Arc::clone(&self.0));
        } else {
            self.0 = present;
        }
        changed
    }
}

impl Deref for ViewBuilder {
    type Target = View;

    fn deref(&self) -> &View {
        &self.0
    }
}

impl DerefMut for ViewBuilder {
    fn deref_mut(&mut self) -> &mut View {
        Arc::make_mut(&mut self.0)
    }
}

/// What a view tells a request for a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::token) enum Availability<T> {
    /// The answer, at once.
    Answer(T),
    /// Wait: an attempt will end in time.
    Wait,
    /// The keeper has to decide.
    Ask,
}

impl View {
    /// The token, if it is usable.
    pub(in crate::token) fn usable(&self, now: Moment) -> Option<&Arc<Token>> {
        self.token.as_ref().filter(|token| token.is_usable(now))
    }

    /// Whether there is a usable token and the last attempt succeeded.
    pub(in crate::token) fn is_well(&self, now: Moment) -> bool {
        self.usable(now).is_some() && self.trouble.is_none()
    }

    pub(in crate::token) fn generation(&self) -> Generation {
        self.token.as_ref().map(|token| token.generation).unwrap_or_default()
    }

    pub(in crate::token) fn state(&self, now: Moment) -> State {
        match (self.usable(now), &self.trouble) {
            (Some(_), None) => State::Fresh,
            (Some(_), Some(_)) => State::Degraded,
            (None, Some(trouble)) if trouble.refused => State::Rejected,
            (None, None) if self.token.is_none() => State::Starting,
            (None, _) => State::Expired,
        }
    }

    /// Why there is no usable token, and when to try again.
    pub(in crate::token) fn no_token(&self, now: Moment) -> NoToken {
        let next = self.next.filter(|_| !self.running);
        let retry_after = next.map_or(SOON, |next| next.since(now).max(SOON));
        match &self.trouble {
            None => NoToken::Pending { retry_after },
            Some(trouble) if trouble.refused => NoToken::Rejected { retry_after },
            Some(_) => NoToken::Failing { retry_after },
        }
    }

    /// For a request that accepts any usable token and waits until `patience`.
    pub(in crate::token) fn availability(
        &self,
        now: Moment,
        patience: Moment,
    ) -> Availability<Result<Arc<Token>, NoToken>> {
        if let Some(token) = self.usable(now) {
            return Availability::Answer(Ok(Arc::clone(token)));
        }
        match self.next {
            _ if self.running => Availability::Wait,
            Some(next) if next <= now => Availability::Ask,
            Some(next) if next <= patience => Availability::Wait,
            Some(_) => Availability::Answer(Err(self.no_token(now))),
            None => Availability::Ask,
        }
    }

    /// For a request whose token, of generation `rejected`, the API rejected.
    pub(in crate::token) fn successor(
        &self,
        rejected: Generation,
        now: Moment,
        patience: Moment,
    ) -> Availability<Option<Arc<Token>>> {
        if self.generation() > rejected {
            return match self.availability(now, patience) {
                Availability::Answer(token) => Availability::Answer(token.ok()),
                Availability::Wait => Availability::Wait,
                Availability::Ask => Availability::Ask,
            };
        }
        match self.next {
            _ if self.running => Availability::Wait,
            Some(next) if self.forcing && next <= now => Availability::Ask,
            Some(next) if self.forcing && next <= patience => Availability::Wait,
            _ if self.forcing || self.forced_from.is_some_and(|from| now < from) => Availability::Answer(None),
            _ => Availability::Ask,
        }
    }

    pub(in crate::token) fn status(&self, now: Moment) -> Status {
        let last_error = self.trouble.as_ref().map(|trouble| LastError {
            code: if trouble.refused { "token-rejected" } else { "token-failing" },
            message: trouble.message.to_string(),
            action: trouble.action,
            at: trouble.at,
        });
        Status {
            state: self.state(now),
            generation: self.token.as_ref().map(|token| token.generation),
            obtained_at: self.obtained_at,
            expires: self.token.as_ref().and_then(|token| token.expires()),
            next_renewal: self.next,
            last_error,
        }
    }
}

#[cfg(test)]
mod tests;
