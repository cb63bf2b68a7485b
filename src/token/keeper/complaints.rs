//! Log lines about failing tokens of users. There can be thousands, so each upstream gets one line when a problem
//! starts, one whenever the number of users has doubled, and one when it ends. The lines never name a user.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::token::handle::view::Trouble;

/// The minimum time between two lines about one kind of problem.
const PAUSE: Duration = Duration::from_secs(60);

/// What is wrong with a subject's token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in crate::token) enum Complaint {
    /// The credentials were refused.
    Refused,
    /// The token endpoint failed.
    Failing,
}

impl Complaint {
    pub(in crate::token) fn of(trouble: &Trouble) -> Self {
        if trouble.refused { Self::Refused } else { Self::Failing }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failing => "failing",
        }
    }
}

/// The number of subjects with each complaint, by upstream.
#[derive(Default)]
pub(in crate::token) struct Complaints(HashMap<(Arc<str>, Complaint), ComplaintCount>);

#[derive(Default)]
struct ComplaintCount {
    subjects: usize,
    /// The number in the last line; zero if there was none.
    reported: usize,
    at: Option<Moment>,
}

impl ComplaintCount {
    /// Whether a line is due. The caller must write it.
    fn is_due(&mut self, now: Moment) -> bool {
        let grown = self.subjects > self.reported.saturating_mul(2) || self.reported == 0;
        let due = grown && self.at.is_none_or(|at| now.since(at) >= PAUSE);
        if due {
            (self.reported, self.at) = (self.subjects, Some(now));
        }
        due
    }
}

impl Complaints {
    /// Updates the counts when a subject's complaint changes from `before` to that of `trouble`.
    pub(in crate::token) fn change(
        &mut self,
        upstream: &Arc<str>,
        before: Option<Complaint>,
        trouble: Option<&Trouble>,
        now: Moment,
    ) {
        let after = trouble.map(Complaint::of);
        if let Some(before) = before.filter(|before| Some(*before) != after) {
            self.less(upstream, before);
        }
        let (Some(after), Some(trouble)) = (after, trouble) else { return };
        let count = self.0.entry((Arc::clone(upstream), after)).or_default();
        count.subjects = count.subjects.saturating_add(usize::from(before != Some(after)));
        if count.is_due(now) {
            let (upstream, subjects, what) = (&**upstream, count.subjects, after.as_str());
            let action = trouble.action.as_str();
            tracing::warn!(upstream, subjects, action, "the tokens of some subjects are {what}: {}", trouble.message);
        }
    }

    fn less(&mut self, upstream: &Arc<str>, complaint: Complaint) {
        let Some(count) = self.0.get_mut(&(Arc::clone(upstream), complaint)) else { return };
        count.subjects = count.subjects.saturating_sub(1);
        if count.subjects == 0 && std::mem::take(&mut count.reported) > 0 {
            let (upstream, what) = (&**upstream, complaint.as_str());
            tracing::info!(upstream, "no subject's token is {what} any longer");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::action::Action;

    #[test]
    fn there_is_a_line_when_trouble_begins_and_when_it_has_doubled_but_not_two_in_a_minute() {
        let mut count = ComplaintCount::default();
        let mut lines = Vec::new();
        for second in 0..1000 {
            count.subjects += 1;
            if count.is_due(Moment::from_start(Duration::from_secs(second))) {
                lines.push(count.subjects);
            }
        }
        assert_eq!(lines, [1, 61, 123, 247, 495, 991]);
    }

    #[test]
    fn a_subject_counts_with_its_last_complaint_until_it_has_none() {
        let (upstream, now) = ("api".into(), Moment::from_start(PAUSE));
        let trouble = |refused| Trouble {
            refused,
            action: Action::Wait,
            message: "no".into(),
            at: std::time::SystemTime::UNIX_EPOCH,
        };
        let mut complaints = Complaints::default();
        let count = |complaints: &Complaints, what| {
            complaints.0.get(&(Arc::clone(&upstream), what)).map_or((0, 0), |count| (count.subjects, count.reported))
        };
        complaints.change(&upstream, None, Some(&trouble(false)), now);
        complaints.change(&upstream, Some(Complaint::Failing), Some(&trouble(false)), now);
        assert_eq!(count(&complaints, Complaint::Failing), (1, 1));
        complaints.change(&upstream, Some(Complaint::Failing), Some(&trouble(true)), now);
        assert_eq!([Complaint::Failing, Complaint::Refused].map(|what| count(&complaints, what)), [(0, 0), (1, 1)]);
        complaints.change(&upstream, Some(Complaint::Refused), None, now);
        assert_eq!(count(&complaints, Complaint::Refused), (0, 0));
    }
}
