//! How long to wait after a failed token request.

use std::time::Duration;

use crate::token::source::{MintError, Outcome};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5 * 60);
const LONGEST_HOLD: Duration = Duration::from_secs(15 * 60);
/// Without a usable token requests fail, so the endpoint's recovery must be noticed soon.
const LONGEST_WITHOUT_TOKEN: Duration = Duration::from_secs(10);

/// The failures since the last success.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::token) struct Backoff {
    failed: u32,
    refused: u32,
}

impl Backoff {
    /// Counts a failure and returns how long to wait. `left`: how long the current token is still usable, zero if there
    /// is none. `took`: how long the failed request took. `draw`: a random number from 0 to 1.
    pub(in crate::token) fn after(
        &mut self,
        error: &MintError,
        left: Duration,
        took: Duration,
        hold: Duration,
        draw: f64,
    ) -> Duration {
        let wait = match error.outcome {
            Outcome::Rejected => self.hold(hold),
            Outcome::Ok | Outcome::Status | Outcome::Timeout | Outcome::Connect | Outcome::BadReply => {
                let pause = self.pause(left, draw);
                // A request that hung for longer than the pause has used it up, and requests fail in the meantime.
                if left.is_zero() { pause.saturating_sub(took) } else { pause }
            }
        };
        wait.max(error.retry_after.unwrap_or_default().min(LONGEST))
    }

    /// Refused credentials: a hold that doubles.
    fn hold(&mut self, first: Duration) -> Duration {
        let wait = doubled(first, self.refused, LONGEST_HOLD.max(first));
        self.refused = self.refused.saturating_add(1);
        wait
    }

    /// Exponential back-off with full jitter, so that a fleet does not retry in step.
    fn pause(&mut self, left: Duration, draw: f64) -> Duration {
        let mut ceiling = doubled(FIRST, self.failed, LONGEST);
        if left.is_zero() {
            ceiling = ceiling.min(LONGEST_WITHOUT_TOKEN);
        } else {
            ceiling = ceiling.min(if self.failed == 0 { left / 4 } else { left });
        }
        self.failed = self.failed.saturating_add(1);
        ceiling.mul_f64(draw.clamp(0.0, 1.0))
    }
}

pub(in crate::token) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(60);
    const QUICK: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(3000);

    fn error(outcome: Outcome, retry_after: Option<u64>) -> MintError {
        let retry_after = retry_after.map(Duration::from_secs);
        MintError { retry_after, ..MintError::new(outcome, "") }
    }

    fn waits(outcome: Outcome, left: Duration, times: usize) -> Vec<u64> {
        let mut backoff = Backoff::default();
        (0..times).map(|_| backoff.after(&error(outcome, None), left, QUICK, HOLD, 1.0).as_secs()).collect()
    }

    #[test]
    fn failures_double_from_a_second_to_five_minutes_while_a_token_is_valid() {
        assert_eq!(waits(Outcome::Status, LONG, 11), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn with_no_usable_token_no_pause_is_longer_than_ten_seconds() {
        assert_eq!(waits(Outcome::Timeout, Duration::ZERO, 6), [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn a_pause_never_outlasts_the_token() {
        assert_eq!(waits(Outcome::Status, Duration::from_secs(40), 8), [1, 2, 4, 8, 16, 32, 40, 40]);
    }

    #[test]
    fn the_first_pause_is_at_most_a_quarter_of_the_life_that_is_left() {
        let mut backoff = Backoff::default();
        let left = Duration::from_secs(2);
        let failing = error(Outcome::Connect, None);
        assert_eq!(backoff.after(&failing, left, QUICK, HOLD, 1.0), Duration::from_millis(500));
        assert_eq!(backoff.after(&failing, left, QUICK, HOLD, 1.0), Duration::from_secs(2));
    }

    #[test]
    fn with_no_usable_token_a_call_that_hung_has_used_up_its_pause() {
        let hung = error(Outcome::Timeout, None);
        let mut backoff = Backoff::default();
        let took = Duration::from_secs(3);
        let mut waits = |left| backoff.after(&hung, left, took, HOLD, 1.0).as_secs();
        assert_eq!([(); 4].map(|()| waits(Duration::ZERO)), [0, 0, 1, 5]);
        assert_eq!(waits(LONG), 16, "no hurry while there is a token");
        let busy = error(Outcome::Status, Some(4));
        assert_eq!(Backoff::default().after(&busy, Duration::ZERO, took, HOLD, 1.0), Duration::from_secs(4));
    }

    #[test]
    fn the_jitter_is_full() {
        for (draw, expected) in [(0.0, 0), (0.25, 250), (1.0, 1000), (7.0, 1000)] {
            let pause = Backoff::default().after(&error(Outcome::Status, None), LONG, QUICK, HOLD, draw);
            assert_eq!(pause, Duration::from_millis(expected));
        }
    }

    #[test]
    fn a_refusal_holds_a_minute_and_doubles_to_a_quarter_of_an_hour() {
        assert_eq!(waits(Outcome::Rejected, Duration::ZERO, 6), [60, 120, 240, 480, 900, 900]);
        let long = Duration::from_secs(3600);
        assert_eq!(Backoff::default().after(&error(Outcome::Rejected, None), LONG, QUICK, long, 1.0), long);
    }

    #[test]
    fn retry_after_is_obeyed_up_to_five_minutes_even_with_no_token() {
        for (asked, obeyed) in [(0, 1), (30, 30), (300, 300), (3600, 300)] {
            let busy = error(Outcome::Status, Some(asked));
            assert_eq!(Backoff::default().after(&busy, Duration::ZERO, QUICK, HOLD, 1.0).as_secs(), obeyed, "{asked}");
        }
        let refused = error(Outcome::Rejected, Some(10));
        assert_eq!(Backoff::default().after(&refused, Duration::ZERO, QUICK, HOLD, 1.0), HOLD);
    }
}
