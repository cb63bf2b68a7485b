//! What a keeper shows its readers, and the rules by which a request waits or does not.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use crate::clock::Moment;
use crate::token::action::Action;
use crate::token::grant::{Generation, Token};
use crate::token::status::{LastError, NoToken, State, Status};

/// When nobody knows when to try again.
const SOON: Duration = Duration::from_secs(1);

/// Why the last attempt gave no token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::token) struct Trouble {
    /// Credentials refused, not merely no proper answer.
    pub(in crate::token) refused: bool,
    pub(in crate::token) action: Action,
    pub(in crate::token) message: Arc<str>,
    pub(in crate::token) at: SystemTime,
}

/// A token and its prospects at one moment. A token and a trouble coexist: trouble never takes a valid token away.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::token) struct View {
    /// The newest token, expired or not.
    pub(in crate::token) token: Option<Arc<Token>>,
    pub(in crate::token) obtained_at: Option<SystemTime>,
    pub(in crate::token) trouble: Option<Trouble>,
    /// An attempt is under way.
    pub(in crate::token) running: bool,
    /// When the next one is due.
    pub(in crate::token) next: Option<Moment>,
    /// The next one is a forced renewal.
    pub(in crate::token) forcing: bool,
    /// No forced renewal before this.
    pub(in crate::token) forced_from: Option<Moment>,
}

/// The keeper's view. What was published is shared with the readers; the first change after that makes a copy.
#[derive(Default)]
pub(in crate::token) struct ViewBuilder(Arc<View>);

impl ViewBuilder {
    /// What readers are to see, unless they see its like already.
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

/// What a view says to somebody who wants a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::token) enum Availability<T> {
    /// This, at once.
    Answer(T),
    /// An attempt will tell in time.
    Wait,
    /// Only the keeper can tell.
    Ask,
}

impl View {
    /// The token, if it may be used.
    pub(in crate::token) fn usable(&self, now: Moment) -> Option<&Arc<Token>> {
        self.token.as_ref().filter(|token| token.is_usable(now))
    }

    /// Whether there is a token to use, and the last attempt was no failure.
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

    /// Why there is no token, and when to come again.
    pub(in crate::token) fn no_token(&self, now: Moment) -> NoToken {
        let next = self.next.filter(|_| !self.running);
        let retry_after = next.map_or(SOON, |next| next.since(now).max(SOON));
        match &self.trouble {
            None => NoToken::Pending { retry_after },
            Some(trouble) if trouble.refused => NoToken::Rejected { retry_after },
            Some(_) => NoToken::Failing { retry_after },
        }
    }

    /// For a request that needs any usable token, and would wait until `patience`.
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

    /// For a request whose token of generation `rejected` the API rejected.
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
