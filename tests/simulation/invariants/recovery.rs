//! Recovery after the last fault.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Invariant, fail};
use crate::log::{End, Event, Owner, Run};
use crate::play::RECOVERY;
use bearerd::token::source::Outcome;

pub const RECOVERED: Invariant = Invariant {
    name: "every_owner_recovers",
    sentence: "a quarter of an hour after the last fault every request is accepted",
    check: recovered,
};

pub const SOON: Invariant = Invariant {
    name: "mere_failures_are_over_soon",
    sentence: "if nothing was refused and there was no `Retry-After`, every request is accepted a minute after the \
        last fault",
    check: soon,
};

fn recovered(run: &Run) -> Result<(), String> {
    all_accepted(run, RECOVERY)
}

fn soon(run: &Run) -> Result<(), String> {
    let calm = run.log.iter().all(|entry| match &entry.event {
        Event::Answered { end: End::Failed { outcome, retry_after, .. }, .. } => {
            *outcome != Outcome::Rejected && retry_after.is_none()
        }
        Event::Forwarded { accepted, .. } => *accepted,
        _ => true,
    });
    if calm { all_accepted(run, Duration::from_secs(60)) } else { Ok(()) }
}

/// All calls this long after the last fault succeed.
fn all_accepted(run: &Run, after: Duration) -> Result<(), String> {
    let healed = run.log.iter().find(|entry| entry.event == Event::Healed).map(|entry| entry.awake);
    let Some(healed) = healed else { return fail("the faults never ended") };
    let mut last: BTreeMap<u32, (Owner, Duration, bool)> = BTreeMap::new();
    for entry in &run.log {
        match &entry.event {
            Event::Called { id, owner, .. } if entry.awake > healed + after => {
                last.insert(*id, (*owner, entry.awake, false));
            }
            Event::Forwarded { id, accepted, .. } => {
                last.entry(*id).and_modify(|(_, _, good)| *good |= *accepted);
            }
            _ => {}
        }
    }
    let mut living = last.into_values().filter(|(owner, ..)| !run.lost.contains(&owner.subject));
    match living.find(|(.., accepted)| !accepted) {
        Some((owner, at, _)) => fail(format!("a request of {owner:?} failed {:?} after the last fault", at - healed)),
        None => Ok(()),
    }
}
