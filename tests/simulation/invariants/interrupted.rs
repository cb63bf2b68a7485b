//! Token requests of a process that cannot reach the store, or is suspended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Invariant, Request, fail, requests, usable_until};
use crate::history::{Action, Refreshing};
use crate::log::{End, Event, Found, Run};
use bearerd::token::source::Outcome;

/// How long to wait for a lease whose holder may be suspended.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time between the arrival of a reply and its being read.
const READING: Duration = Duration::from_millis(100);

pub const LEFT_ALONE: Invariant = Invariant {
    name: "a_refresh_token_under_way_is_left_alone",
    sentence: "a flow without a login does not send a refresh token that another process has sent while the current \
        token is valid: the other process may still save the reply",
    check: left_alone,
};

pub const REPLIES_READ: Invariant = Invariant {
    name: "replies_that_arrived_are_read",
    sentence: "a process that was suspended does not drop a reply that arrived in time",
    check: replies_read,
};

pub const NOT_HELD_UP: Invariant = Invariant {
    name: "no_login_is_held_up",
    sentence: "a keeper without a token that may log in waits at most 5 s for a lease whose holder may be suspended",
    check: not_held_up,
};

fn is_stepped(run: &Run) -> bool {
    run.log.iter().any(|entry| matches!(entry.event, Event::Did(Action::StepWall { .. })))
}

/// When each access token counts as expired; absent if it does not expire. For a token that the server returned again,
/// the first reply counts: the margin is a part of the whole lifetime.
fn ends(run: &Run) -> BTreeMap<&str, Duration> {
    let mut ends = BTreeMap::new();
    for entry in &run.log {
        if let Event::Answered { end: End::Granted { access, issued, until, .. }, .. } = &entry.event {
            let end = until.map_or(Duration::MAX, |until| usable_until(*issued, until));
            ends.entry(&**access).and_modify(|known: &mut Duration| *known = end.min(*known)).or_insert(end);
        }
    }
    ends
}

fn left_alone(run: &Run) -> Result<(), String> {
    // Stored expiry is wall-clock time, which is wrong for a process whose clock was stepped.
    if run.setup.login || run.setup.refresh != Refreshing::Rotating || is_stepped(run) {
        return Ok(());
    }
    let (ends, mut senders) = (ends(run), BTreeMap::<String, Vec<Request>>::new());
    for request in requests(run) {
        let Some(token) = request.refresh.clone() else { continue };
        let before = senders.entry(token.clone()).or_default();
        let ours = before.iter().any(|sent| sent.owner.run == request.owner.run);
        let unused = before.last().is_none_or(|last| match last.end.as_ref().map(|end| &end.how) {
            Some(End::Failed { outcome: Outcome::Connect, .. }) => true,
            Some(End::Granted { refresh, .. }) => refresh.as_deref().is_none_or(|next| next == token),
            _ => false,
        });
        let lives = access_of(run, &token, request.place)
            .filter(|access| ends.get(access).is_some_and(|end| request.sent < *end));
        if let Some(access) = lives.filter(|_| !ours && !unused)
            && !was_rejected(run, &request, access)
        {
            return fail(format!("{request:?} came after {:?}, and {access} lived", before.last()));
        }
        before.push(request);
    }
    Ok(())
}

/// The access token that was last issued with this refresh token.
fn access_of<'a>(run: &'a Run, token: &str, before: usize) -> Option<&'a str> {
    run.log.iter().take(before).rev().find_map(|entry| match &entry.event {
        Event::Answered { end: End::Granted { access, refresh: Some(refresh), .. }, .. } if refresh == token => {
            Some(&**access)
        }
        _ => None,
    })
}

fn was_rejected(run: &Run, request: &Request, access: &str) -> bool {
    run.log.iter().take(request.place).any(|entry| match &entry.event {
        Event::Forwarded { owner, token, accepted: false, .. } => {
            owner.run == request.owner.run && token.access == access
        }
        _ => false,
    })
}

fn replies_read(run: &Run) -> Result<(), String> {
    let mut arrived = BTreeMap::new();
    for entry in &run.log {
        match &entry.event {
            Event::Arrived { id } => drop(arrived.insert(*id, entry.awake)),
            Event::Answered { id, owner, end: End::Cut } => {
                if let Some(at) = arrived.get(id).filter(|at| entry.awake > **at + READING) {
                    return fail(format!("request {id} of {owner:?} was given up, its reply was there at {at:?}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn not_held_up(run: &Run) -> Result<(), String> {
    if !run.setup.login || is_stepped(run) {
        return Ok(());
    }
    let (ends, mut known) = (ends(run), BTreeMap::<_, BTreeSet<&str>>::new());
    for entry in &run.log {
        match &entry.event {
            Event::Answered { owner, end: End::Granted { access, .. }, .. } => {
                known.entry((owner.run, owner.subject)).or_default().insert(access);
            }
            Event::Loaded { run, subject, found: Found::Grant { access, .. } } => {
                known.entry((*run, *subject)).or_default().insert(access);
            }
            Event::Queued { run, subject, patience } if *patience > PATIENCE => {
                let mut tokens = known.get(&(*run, *subject)).into_iter().flatten();
                if !tokens.any(|access| ends.get(access).is_some_and(|end| entry.at < *end)) {
                    return fail(format!("run {run} waits for {patience:?} from {:?} on, with no token", entry.at));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
