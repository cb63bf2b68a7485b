//! The bounds on forced renewals: an API that always rejects must not become a storm at the token endpoint.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::doubled;
use crate::clock::Moment;
use crate::token::grant::Generation;

const WINDOW: Duration = Duration::from_secs(60);
const MOST_IN_WINDOW: usize = 10;
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// When the next forced renewal may be. Most tokens never need one, so what was is apart.
#[derive(Clone, Debug, Default)]
pub(in crate::token) struct ForcedBounds(Option<Box<Past>>);

#[derive(Clone, Debug, Default)]
struct Past {
    /// The starts within the last minute.
    starts: VecDeque<Moment>,
    /// Tokens of forced renewals that were rejected in a row, none of them accepted once.
    in_vain: u32,
    not_before: Option<Moment>,
    /// What the last forced renewal gave, as long as neither an acceptance nor a rejection was counted since.
    unproven: Option<Generation>,
}

impl ForcedBounds {
    /// The moment from which one is allowed; `None`: always.
    pub(in crate::token) fn free_from(&self) -> Option<Moment> {
        let past = self.0.as_ref()?;
        let full = past.starts.len() >= MOST_IN_WINDOW;
        let by_count = past.starts.front().filter(|_| full).map(|oldest| *oldest + WINDOW);
        by_count.max(past.not_before)
    }

    /// Whether one is allowed now.
    pub(in crate::token) fn allow(&self, now: Moment) -> bool {
        self.free_from().is_none_or(|from| from <= now)
    }

    /// One starts.
    pub(in crate::token) fn started(&mut self, now: Moment) {
        let starts = &mut self.0.get_or_insert_default().starts;
        while starts.len() >= MOST_IN_WINDOW {
            starts.pop_front();
        }
        starts.push_back(now);
    }

    /// It gave this token, which no answer has accepted yet.
    pub(in crate::token) fn renewed(&mut self, generation: Generation) {
        self.0.get_or_insert_default().unproven = Some(generation);
    }

    /// The token whose acceptance makes forced renewals free again: a later one, which nothing forced, proves as much.
    pub(in crate::token) fn unproven(&self) -> Option<Generation> {
        self.0.as_ref()?.unproven
    }

    /// An answer accepted it.
    pub(in crate::token) fn accepted(&mut self) {
        if let Some(past) = &mut self.0 {
            (past.in_vain, past.not_before, past.unproven) = (0, None, None);
        }
    }

    /// The present token was rejected before any answer accepted it. Counts once for each forced renewal.
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
