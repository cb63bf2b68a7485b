//! The rules that must hold in every history: a sentence and a function over the log each.

mod callers;
mod interrupted;
mod logins;
mod pace;
mod recovery;
mod requests;
mod tokens;

use crate::log::{End, Event, Owner, Run};
use std::time::Duration;

use bearerd::token::source::Step;

/// A rule.
pub struct Invariant {
    pub name: &'static str,
    pub sentence: &'static str,
    pub check: fn(&Run) -> Result<(), String>,
}

/// Every rule.
pub const ALL: &[Invariant] = &[
    requests::ONE_AT_A_TIME,
    requests::UNDER_LEASE,
    requests::MARKED_FIRST,
    requests::SENT_ONCE,
    interrupted::LEFT_ALONE,
    interrupted::REPLIES_READ,
    interrupted::NOT_HELD_UP,
    logins::ALLOWED,
    pace::HELD,
    pace::SPACED,
    pace::FORCED_BOUNDED,
    pace::BACKED_OFF,
    tokens::ALIVE,
    tokens::KEPT,
    tokens::SAVED_FIRST,
    tokens::NOT_REVOKED,
    callers::ANSWERED,
    callers::DIFFERENT,
    recovery::RECOVERED,
    recovery::SOON,
];

/// A rule that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    pub name: &'static str,
    pub sentence: &'static str,
    pub found: String,
}

/// The first rule that the run breaks.
pub fn check(run: &Run) -> Option<Violation> {
    let broken = |rule: &Invariant| (rule.check)(run).err().map(|found| (rule.name, rule.sentence, found));
    let (name, sentence, found) = ALL.iter().find_map(broken)?;
    Some(Violation { name, sentence, found })
}

/// A token request, from sending to its end.
#[derive(Clone, Debug)]
struct Request {
    /// Its index in the log.
    place: usize,
    sent: Duration,
    owner: Owner,
    step: Step,
    refresh: Option<String>,
    end: Option<Ended>,
}

#[derive(Clone, Debug)]
struct Ended {
    place: usize,
    at: Duration,
    how: End,
}

impl Request {
    fn granted(&self) -> Option<(&Ended, &End)> {
        self.end.as_ref().map(|end| (end, &end.how)).filter(|(_, how)| matches!(how, End::Granted { .. }))
    }

    /// It returned a token that was still valid.
    fn is_useful(&self) -> bool {
        match self.end.as_ref().map(|end| (end.at, &end.how)) {
            Some((at, End::Granted { until, issued, .. })) => until.is_none_or(|end| at < usable_until(*issued, end)),
            _ => false,
        }
    }

    /// A refused refresh token, which a login follows at once.
    fn is_dead_refresh(&self, run: &Run) -> bool {
        let dead = matches!(self.end.as_ref().map(|end| &end.how), Some(End::Failed { dead: true, .. }));
        dead && self.step == Step::Refresh && run.setup.login
    }
}

/// When a token counts as expired: a little before its end.
fn usable_until(issued: Duration, end: Duration) -> Duration {
    end - ((end.saturating_sub(issued)) / 20).min(Duration::from_secs(2))
}

/// All token requests, in order.
fn requests(run: &Run) -> Vec<Request> {
    let mut requests: Vec<(u32, Request)> = Vec::new();
    for (place, entry) in run.log.iter().enumerate() {
        match &entry.event {
            Event::Sent { id, owner, step, refresh } => {
                let (owner, step, refresh) = (*owner, *step, refresh.clone());
                requests.push((*id, Request { place, sent: entry.at, owner, step, refresh, end: None }));
            }
            Event::Answered { id, end, .. } => {
                let mut of_id = requests.iter_mut().rev().filter(|(known, _)| known == id);
                if let Some((_, request)) = of_id.next() {
                    request.end.get_or_insert(Ended { place, at: entry.at, how: end.clone() });
                }
            }
            _ => {}
        }
    }
    requests.into_iter().map(|(_, request)| request).collect()
}

/// The token requests of each owner.
fn by_owner(run: &Run) -> Vec<Vec<Request>> {
    let mut owners = std::collections::BTreeMap::<Owner, Vec<Request>>::new();
    for request in requests(run) {
        owners.entry(request.owner).or_default().push(request);
    }
    owners.into_values().collect()
}

fn fail<T>(found: impl Into<String>) -> Result<T, String> {
    Err(found.into())
}
