//! When to ask for a token: one pure function, and the numbers it works with.

use std::time::Duration;

use super::grant::{Grant, Life};
use crate::clock::Moment;

/// Two planned requests are never closer than this, however short the life: a token of 100 ms must not become ten
/// requests a second.
const LEAST_PACE: Duration = Duration::from_secs(1);
/// The same where the server names a time for renewal but no life to measure it by.
const LEAST_PACE_WITHOUT_LIFE: Duration = Duration::from_secs(60);
/// The ends of two replies about one token differ by the rounding of `expires_in` and the time on the way.
const SAME_END: Duration = Duration::from_secs(2);
/// Many servers repeat a token until shortly before its end, and then give the next one: so long before, and at the end,
/// they are asked again.
const SHORTLY: Duration = Duration::from_secs(8);

/// The pace of one flow's token requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// `exclusive` flows renew this long before the end.
    pub margin: Duration,
    /// Least time between two token requests, forced ones included.
    pub min_interval: Duration,
    /// Renewing invalidates the previous token, so it is done late.
    pub exclusive: bool,
    /// First hold after refused credentials; doubles up to 15 minutes.
    pub hold: Duration,
    /// Renew only while used: tokens of subjects.
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
    /// When it was asked for.
    pub issued: Moment,
    /// How long its token may be used.
    pub life: Life,
    /// When the server would like to be asked again, counted from `issued`.
    pub refresh_in: Option<Duration>,
    /// The server gave the token that we had, with no more time on it: asking long before its end is in vain.
    pub repeated: bool,
    /// Where in the span of renewal this grant's falls: 0 to 1, drawn once, so that a fleet does not renew in step.
    pub jitter: f64,
}

impl GrantTimes {
    /// The times of `grant`; `before` are those of the token that we had, if the server repeated it. A server that puts
    /// the end off puts it off by the time that has passed.
    pub fn new(grant: &Grant, before: Option<(Moment, Life)>, jitter: f64) -> Self {
        let repeated = match (before, grant.life) {
            (Some((issued, Life::Until(before))), Life::Until(end)) => {
                end <= before + SAME_END.min(grant.issued.since(issued) / 2)
            }
            (Some((_, Life::UntilRejected)) | None, _) | (Some((_, Life::Until(_))), Life::UntilRejected) => false,
        };
        Self { issued: grant.issued, life: grant.life, refresh_in: grant.refresh_in, repeated, jitter }
    }

    /// When to renew. A token whose end nobody knows is kept until it is rejected.
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

/// All that the next request depends on.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Situation {
    /// The newest grant.
    pub grant_times: Option<GrantTimes>,
    /// When a token was last asked for.
    pub last_request: Option<Moment>,
    /// The last attempt failed: not before this.
    pub retry_at: Option<Moment>,
    /// A renewal is wanted before its time, and the bounds on these allow it.
    pub forced: bool,
    /// Somebody used or asked for the token since the last attempt.
    pub in_use: bool,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Ask for a token now.
    Mint,
    /// Look again then.
    WaitUntil(Moment),
    /// Nothing is due until something happens.
    WaitForNudge,
}

/// What to do next. Whoever waits for the moment in the answer finds [`Decision::Mint`] there.
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
