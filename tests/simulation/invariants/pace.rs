//! How often a token may be requested.

use std::time::Duration;

use super::{Invariant, Request, by_owner, fail};
use crate::log::{End, Event, Found, Owner, Run};
use bearerd::token::source::Outcome;

const HOLD: Duration = Duration::from_secs(60);
const LONGEST_HOLD: Duration = Duration::from_secs(900);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

pub const HELD: Invariant = Invariant {
    name: "refusals_are_held",
    sentence: "after refused credentials no request comes for 60 s, doubling to 15 min, and none before `Retry-After`",
    check: held,
};

pub const SPACED: Invariant = Invariant {
    name: "the_least_interval_holds",
    sentence: "no two requests of a keeper are closer than its minimum interval, forced ones included",
    check: spaced,
};

pub const FORCED_BOUNDED: Invariant = Invariant {
    name: "forced_renewals_are_bounded",
    sentence: "at most ten renewals a minute are forced, and after a failed one the next waits 30 s, doubling to 15 \
        min",
    check: forced_bounded,
};

pub const BACKED_OFF: Invariant = Invariant {
    name: "failures_back_off",
    sentence: "eight failures in a row take longer than three seconds",
    check: backed_off,
};

/// Whether the keeper adopted another process's grant in between, which ends a wait.
fn is_disturbed(run: &Run, owner: Owner, from: usize, to: usize) -> bool {
    run.log[from..to].iter().any(|entry| match &entry.event {
        Event::Answered { owner: other, end: End::Granted { .. }, .. } => {
            *other != owner && other.subject == owner.subject
        }
        Event::Loaded { run: of, subject, found: Found::Grant { access, mark: false, .. } } => {
            (*of, *subject) == (owner.run, owner.subject) && !is_known(run, owner, access, from)
        }
        _ => false,
    })
}

/// Whether that is the keeper's last token. In a process with two keepers of a name, either may have it.
fn is_known(run: &Run, owner: Owner, name: &str, before: usize) -> bool {
    let alone = !run.log.iter().any(|entry| match &entry.event {
        Event::Sent { owner: other, .. } => *other != owner && (other.run, other.subject) == (owner.run, owner.subject),
        _ => false,
    });
    let last = run.log[..before].iter().rev().find_map(|entry| match &entry.event {
        Event::Answered { owner: of, end: End::Granted { access, .. }, .. } => (*of == owner).then_some(access),
        Event::Loaded { run: of, subject, found: Found::Grant { access, .. } } => {
            (alone && (*of, *subject) == (owner.run, owner.subject)).then_some(access)
        }
        _ => None,
    });
    last.is_some_and(|access| access == name)
}

fn held(run: &Run) -> Result<(), String> {
    for requests in by_owner(run) {
        let mut refused = 0;
        for (request, next) in std::iter::zip(&requests, requests.iter().skip(1)) {
            let Some(end) = &request.end else { continue };
            if request.is_useful() {
                refused = 0;
            }
            let disturbed = is_disturbed(run, request.owner, end.place, next.place);
            let End::Failed { outcome, retry_after, .. } = &end.how else {
                refused = if disturbed { 0 } else { refused };
                continue;
            };
            if request.is_dead_refresh(run) {
                continue;
            }
            let mut wait = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
            if *outcome == Outcome::Rejected {
                wait = wait.max((HOLD * 2_u32.pow(refused)).min(LONGEST_HOLD));
                refused = (refused + 1).min(8);
            }
            if disturbed {
                refused = 0;
            } else if next.sent < end.at + wait {
                return fail(format!("{request:?} was followed at {:?} instead of after {wait:?}", next.sent));
            }
        }
    }
    Ok(())
}

fn spaced(run: &Run) -> Result<(), String> {
    let least = Duration::from_secs(run.setup.min_interval);
    for requests in by_owner(run) {
        for (request, next) in std::iter::zip(&requests, requests.iter().skip(1)) {
            if next.sent < request.sent + least && !request.is_dead_refresh(run) {
                return fail(format!("{request:?} was followed at {:?}", next.sent));
            }
        }
    }
    Ok(())
}

/// The earliest moment at which the previous grant is due for renewal.
fn planned_from(run: &Run, before: &Request) -> Option<Duration> {
    let Some((_, End::Granted { issued, until, refresh_in, .. })) = before.granted() else { return None };
    let life = match (until, refresh_in) {
        (Some(until), Some(_)) => (*until - *issued) / 10,
        (Some(until), None) if run.setup.exclusive => (*until - *issued) / 4 * 3,
        (Some(until), None) => (*until - *issued).mul_f64(0.65),
        (None, Some(_)) => Duration::from_secs(60),
        (None, None) => return Some(Duration::MAX),
    };
    let from = *issued + life.max(Duration::from_secs(1));
    Some(until.map_or(from, |end| from.min(end)))
}

fn forced_bounded(run: &Run) -> Result<(), String> {
    for requests in by_owner(run) {
        let pairs = std::iter::zip(&requests, requests.iter().skip(1));
        let forced: Vec<_> = pairs
            .filter(|(before, next)| {
                before.is_useful() && planned_from(run, before).is_some_and(|from| next.sent < from)
            })
            .filter(|(before, next)| !is_disturbed(run, before.owner, before.place, next.place))
            .collect();
        // The store may take up to half a minute between the start of a renewal and its request.
        let window = Duration::from_secs(30);
        if let Some(many) = forced.windows(11).find(|many| many[10].1.sent < many[0].1.sent + window) {
            return fail(format!("eleven forced renewals between {:?} and {:?}", many[0].1.sent, many[10].1.sent));
        }
        in_vain(run, &forced)?;
    }
    Ok(())
}

fn in_vain(run: &Run, forced: &[(&Request, &Request)]) -> Result<(), String> {
    let mut times = 0;
    for (first, second) in std::iter::zip(forced, forced.iter().skip(1)) {
        // A forced renewal replaces the token of the previous one.
        if first.1.place != second.0.place {
            times = 0;
            continue;
        }
        let Some((_, End::Granted { access, .. })) = second.0.granted() else { continue };
        let verdicts = verdicts(run, second.0.owner, access, second.1.place);
        let Some((rejected, _)) = verdicts.first().filter(|_| verdicts.iter().all(|(_, accepted)| !accepted)) else {
            times = 0;
            continue;
        };
        let wait = (Duration::from_secs(30) * 2_u32.pow(times)).min(LONGEST_HOLD);
        if second.1.sent < *rejected + wait {
            return fail(format!("failed {:?}, and again at {:?}, not after {wait:?}", second.0, second.1.sent));
        }
        times = (times + 1).min(8);
    }
    Ok(())
}

/// The API's verdicts about a token, in order.
fn verdicts(run: &Run, of: Owner, name: &str, before: usize) -> Vec<(Duration, bool)> {
    let said = run.log[..before].iter().filter_map(|entry| match &entry.event {
        Event::Forwarded { owner, token, accepted, .. } if *owner == of && token.access == name => {
            Some((entry.at, *accepted))
        }
        _ => None,
    });
    said.collect()
}

fn backed_off(run: &Run) -> Result<(), String> {
    for requests in by_owner(run) {
        let attempts: Vec<_> = requests.iter().filter(|request| !request.is_dead_refresh(run)).collect();
        // Full jitter can shorten a pause to zero, so only several together have a minimum.
        for eight in attempts.windows(8) {
            let (first, last) = (eight[0], eight[7]);
            if eight.iter().all(|request| !request.is_useful()) && last.sent < first.sent + Duration::from_secs(3) {
                return fail(format!("eight failures from {:?} to {:?}", first.sent, last.sent));
            }
        }
    }
    Ok(())
}
