//! What a token endpoint granted, and the part of it that requests need.

use std::collections::BTreeMap;
use std::time::Duration;

use super::key::Subject;
use crate::clock::Moment;
use crate::secret::Secret;

/// How long a token may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    /// Until this moment.
    Until(Moment),
    /// The lifetime is unknown: usable until the API rejects it.
    UntilRejected,
}

/// The result of one successful token request. Only keepers and stores hold it, never the data path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The access token; empty in a flow that only captures values.
    pub access: Secret,
    /// The refresh token for the next renewal.
    pub refresh: Option<Secret>,
    /// Other values that the flow reads from the reply.
    pub captures: BTreeMap<String, Secret>,
    /// When the request was sent. Lifetimes count from this moment.
    pub issued: Moment,
    pub life: Life,
    /// When the server asks for a renewal (`refresh_in`), counted from `issued`.
    pub refresh_in: Option<Duration>,
}

impl Grant {
    /// The whole lifetime; `None` if it is unknown.
    pub fn length(&self) -> Option<Duration> {
        match self.life {
            Life::Until(end) => Some(end.since(self.issued)),
            Life::UntilRejected => None,
        }
    }
}

/// Counts the tokens of one key. A newer token has a higher generation, so a late rejection cannot hit a newer token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Generation(pub u64);

/// The part of a grant that requests need. It has no refresh token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    pub generation: Generation,
    /// The user, in flows with a token per user.
    pub subject: Option<Subject>,
    pub access: Secret,
    /// Other values that the flow reads from the reply.
    pub captures: BTreeMap<String, Secret>,
    /// When the request for it was sent.
    pub issued: Moment,
    pub life: Life,
}

impl Token {
    /// When the token counts as expired: min(2 s, lifetime / 20) before its end, so that it does not expire on the way
    /// to the API.
    pub fn expires(&self) -> Option<Moment> {
        let Life::Until(end) = self.life else { return None };
        let early = (end.since(self.issued) / 20).min(Duration::from_secs(2));
        Some(end - early)
    }

    pub fn is_usable(&self, now: Moment) -> bool {
        self.expires().is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(life: Life) -> Token {
        Token {
            generation: Generation(1),
            subject: None,
            access: Secret::new("t"),
            captures: BTreeMap::new(),
            issued: Moment::from_start(Duration::from_secs(100)),
            life,
        }
    }

    #[test]
    fn a_token_expires_two_seconds_or_a_twentieth_of_its_life_early() {
        for (life, usable) in [(3600, 3598), (40, 38), (20, 19), (1, 0)] {
            let token = token(Life::Until(Moment::from_start(Duration::from_secs(100 + life))));
            let end = token.issued + Duration::from_secs(usable);
            assert!(token.is_usable(token.issued), "{life}");
            assert!(token.is_usable(end - Duration::from_millis(1)) || usable == 0, "{life}");
            assert!(!token.is_usable(end + Duration::from_millis(950)), "{life}");
        }
    }

    #[test]
    fn a_life_of_zero_is_never_usable_and_an_unknown_one_always() {
        let zero = token(Life::Until(Moment::from_start(Duration::from_secs(100))));
        assert!(!zero.is_usable(zero.issued));
        assert!(token(Life::UntilRejected).is_usable(Moment::from_start(Duration::MAX)));
    }
}
