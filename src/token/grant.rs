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
    /// Nobody said: until the API rejects it.
    UntilRejected,
}

/// All that one successful token request gave. Keepers and stores hold it; the data path never does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The access token; empty in a flow that only captures.
    pub access: Secret,
    /// The refresh token to send next.
    pub refresh: Option<Secret>,
    /// Further values that the flow reads from the reply.
    pub captures: BTreeMap<String, Secret>,
    /// When the request was sent: a life counts from here.
    pub issued: Moment,
    /// How long the access token may be used.
    pub life: Life,
    /// When the server would like to be asked again, counted from `issued`.
    pub refresh_in: Option<Duration>,
}

impl Grant {
    /// The whole life, where it is known.
    pub fn length(&self) -> Option<Duration> {
        match self.life {
            Life::Until(end) => Some(end.since(self.issued)),
            Life::UntilRejected => None,
        }
    }
}

/// Counts the tokens of one key: a later token has a higher one, so a rejection can only hit the token that it saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Generation(pub u64);

/// What requests need of a grant: no refresh token in here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Which one.
    pub generation: Generation,
    /// Whose.
    pub subject: Option<Subject>,
    /// The access token.
    pub access: Secret,
    /// Further values of the reply.
    pub captures: BTreeMap<String, Secret>,
    /// When it was asked for.
    pub issued: Moment,
    /// How long it may be used.
    pub life: Life,
}

impl Token {
    /// The moment from which the token counts as expired: a little before its end, so that it does not die on the way.
    pub fn expires(&self) -> Option<Moment> {
        let Life::Until(end) = self.life else { return None };
        let early = (end.since(self.issued) / 20).min(Duration::from_secs(2));
        Some(end - early)
    }

    /// Whether a request may be sent with it now.
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
