//! Bounds on forced renewals: an API that rejects every token must not flood the token endpoint.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::doubled;
use crate::clock::Moment;
use crate::token::grant::Generation;

const WINDOW: Duration = Duration::from_secs(60);
const MOST_IN_WINDOW: usize = 10;
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// When the next forced renewal is allowed. Most tokens never need one, so the history is boxed.
#[derive(Clone, Debug, Default)]
pub(in crate::token) struct ForcedBounds(Option<Box<Past>>);

#[derive(Clone, Debug, Default)]
struct Past {
    /// The forced renewals that started within the last minute.
    starts: VecDeque<Moment>,
    /// How many tokens from forced renewals the API rejected in a row without accepting one.
    in_vain: u32,
    not_before: Option<Moment>,
    /// The token of the last forced renewal, until the API accepts or rejects it.
    unproven: Option<Generation>,
}

impl ForcedBounds {
    /// When the next one is allowed; `None`: always.
    pub(in crate::token) fn free_from(&self) -> Option<Moment> {
        let past = self.0.as_ref()?;
        let full = past.starts.len() >= MOST_IN_WINDOW;
        let by_count = past.starts.front().filter(|_| full).map(|oldest| *oldest + WINDOW);
        by_count.max(past.not_before)
    }

    pub(in crate::token) fn allow(&self, now: Moment) -> bool {
        self.free_from().is_none_or(|from| from <= now)
    }

    /// Records the start of a forced renewal.
    pub(in crate::token) fn started(&mut self, now: Moment) {
        let starts = &mut self.0.get_or_insert_default().starts;
        while starts.len() >= MOST_IN_WINDOW {
            starts.pop_front();
        }
        starts.push_back(now);
    }

    /// Records its token, which the API has not accepted yet.
    pub(in crate::token) fn renewed(&mut self, generation: Generation) {
        self.0.get_or_insert_default().unproven = Some(generation);
    }

    /// The token whose acceptance resets the bounds. A later token that was not forced counts too.
    pub(in crate::token) fn unproven(&self) -> Option<Generation> {
        self.0.as_ref()?.unproven
    }

    /// The API accepted it: resets the bounds.
    pub(in crate::token) fn accepted(&mut self) {
        if let Some(past) = &mut self.0 {
            (past.in_vain, past.not_before, past.unproven) = (0, None, None);
        }
    }

    /// The API rejected the current token without ever accepting it. Counts once per forced renewal.
    pub(in crate::token) fn rejected(&mut self, now: Moment) {
        if let Some(past) = self.0.as_mut().filter(|past| past.unproven.is_some()) {
            past.unproven = None;
            past.not_before = Some(now + doubled(FIRST_WAIT, past.in_vain, LONGEST_WAIT));
            past.in_vain = past.in_vain.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn renewals_in_vain_wait_thirty_seconds_doubling_to_a_quarter_of_an_hour() {
        let mut bounds = ForcedBounds::default();
        let mut now = at(1000);
        for wait in [30, 60, 120, 240, 480, 900, 900] {
            assert!(bounds.allow(now));
            bounds.started(now);
            bounds.renewed(Generation(1));
            bounds.rejected(now);
            bounds.rejected(now + Duration::from_secs(1));
            assert_eq!(bounds.free_from(), Some(now + Duration::from_secs(wait)));
            now = now + Duration::from_secs(wait);
        }
    }

    #[test]
    fn an_accepted_answer_makes_them_free_again() {
        let mut bounds = ForcedBounds::default();
        bounds.renewed(Generation(1));
        bounds.rejected(at(10));
        assert!(!bounds.allow(at(11)));
        bounds.accepted();
        assert!(bounds.allow(at(11)));
        bounds.renewed(Generation(1));
        bounds.rejected(at(12));
        assert_eq!(bounds.free_from(), Some(at(42)), "the doubling starts again");
    }

    #[test]
    fn a_rejected_token_that_no_forced_renewal_gave_costs_nothing() {
        let mut bounds = ForcedBounds::default();
        bounds.rejected(at(10));
        assert!(bounds.allow(at(10)));
    }

    #[test]
    fn there_are_never_more_than_ten_in_a_minute() {
        let mut bounds = ForcedBounds::default();
        for second in 0..10 {
            assert!(bounds.allow(at(second)), "{second}");
            bounds.started(at(second));
        }
        assert!(!bounds.allow(at(59)));
        assert!(bounds.allow(at(60)));
        bounds.started(at(60));
        assert!(!bounds.allow(at(60)));
        assert!(bounds.allow(at(61)));
    }
}
