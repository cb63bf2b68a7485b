//! When to request a token: one pure function and its inputs.

use std::time::Duration;

use super::grant::{Grant, Life};
use crate::clock::Moment;

/// The minimum time between planned requests, however short the lifetime: a token of 100 ms must not cause ten requests
/// a second.
const LEAST_PACE: Duration = Duration::from_secs(1);
/// The same, if the server names a renewal time but no lifetime.
const LEAST_PACE_WITHOUT_LIFE: Duration = Duration::from_secs(60);
/// How much the expiry of two replies about one token can differ, by rounding of `expires_in` and network time.
const SAME_END: Duration = Duration::from_secs(2);
/// Many servers return the same token until shortly before its end. Such a server is asked again this long before the
/// end, and at the end.
const SHORTLY: Duration = Duration::from_secs(8);

/// How often one flow requests tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// How long before the end `exclusive` flows renew.
    pub margin: Duration,
    /// The minimum time between two token requests, forced ones included.
    pub min_interval: Duration,
    /// A renewal invalidates the previous token, so it happens late.
    pub exclusive: bool,
    /// The first hold after refused credentials; it doubles up to 15 minutes.
    pub hold: Duration,
    /// Renew only while the token is used: tokens of subjects.
    pub while_used: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            margin: Duration::from_secs(60),
            min_interval: Duration::ZERO,
            exclusive: false,
            hold: Duration::from_secs(60),
            while_used: false,
        }
    }
}

/// The times of the newest grant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GrantTimes {
    /// When it was requested.
    pub issued: Moment,
    pub life: Life,
    /// When the server asks for a renewal (`refresh_in`), counted from `issued`.
    pub refresh_in: Option<Duration>,
    /// The server returned the token that we had, with no later end: asking long before its end is useless.
    pub repeated: bool,
    /// The position of this grant's renewal between 65 and 75 % of the lifetime: 0 to 1, drawn once, so that a fleet
    /// does not renew in step.
    pub jitter: f64,
}

impl GrantTimes {
    /// The times of `grant`. `before`: the times of the previous token, if the server returned the same one. Its
    /// lifetime may have been extended by the time that passed.
    pub fn new(grant: &Grant, before: Option<(Moment, Life)>, jitter: f64) -> Self {
        let repeated = match (before, grant.life) {
            (Some((issued, Life::Until(before))), Life::Until(end)) => {
                end <= before + SAME_END.min(grant.issued.since(issued) / 2)
            }
            (Some((_, Life::UntilRejected)) | None, _) | (Some((_, Life::Until(_))), Life::UntilRejected) => false,
        };
        Self { issued: grant.issued, life: grant.life, refresh_in: grant.refresh_in, repeated, jitter }
    }

    /// When to renew. A token with an unknown lifetime is kept until the API rejects it.
    fn renewal(&self, policy: &Policy) -> Option<Moment> {
        let Life::Until(end) = self.life else {
            return self.refresh_in.map(|wish| self.issued + wish.max(LEAST_PACE_WITHOUT_LIFE));
        };
        let life = end.since(self.issued);
        let after = match self.refresh_in {
            _ if self.repeated && life > SHORTLY => life.saturating_sub(SHORTLY.min(life / 5)),
            _ if self.repeated => life,
            Some(wish) => wish.clamp(life / 10, (life / 10).saturating_mul(9)),
            None if policy.exclusive => life.saturating_sub(policy.margin.min(life / 4)),
            None => life.mul_f64(0.65 + 0.1 * self.jitter.clamp(0.0, 1.0)),
        };
        Some(self.issued + after.max(LEAST_PACE))
    }
}

/// Everything that the next request depends on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Situation {
    /// The newest grant.
    pub grant_times: Option<GrantTimes>,
    /// When the last token request was made.
    pub last_request: Option<Moment>,
    /// The last attempt failed: no request before this.
    pub retry_at: Option<Moment>,
    /// A forced renewal is requested, and its bounds allow it.
    pub forced: bool,
    /// The token was used or requested since the last attempt.
    pub in_use: bool,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Request a token now.
    Mint,
    /// Decide again at this moment.
    WaitUntil(Moment),
    /// Nothing is due until an event.
    WaitForNudge,
}

/// Decides what to do next. Called again at the moment in the answer, it returns [`Decision::Mint`].
pub fn decide(now: Moment, situation: &Situation, policy: &Policy) -> Decision {
    let due = match (situation.retry_at, &situation.grant_times) {
        (Some(retry), _) => Some(retry),
        (None, None) => Some(now),
        (None, Some(_)) if situation.forced => Some(now),
        (None, Some(grant_times)) => grant_times.renewal(policy),
    };
    let Some(due) = due else { return Decision::WaitForNudge };
    let earliest = situation.last_request.map_or(due, |last| due.max(last + policy.min_interval));
    if earliest > now {
        return Decision::WaitUntil(earliest);
    }
    let first = situation.grant_times.is_none() && situation.retry_at.is_none();
    let wanted = first || situation.forced || situation.in_use || !policy.while_used;
    if wanted { Decision::Mint } else { Decision::WaitForNudge }
}

#[cfg(test)]
mod tests;
