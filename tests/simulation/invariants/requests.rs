//! Which token requests are allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Invariant, Request, fail, requests};
use crate::log::{End, Event, Found, Run};
use crate::server::first_refresh_token;
use bearerd::token::source::Outcome;

/// The maximum duration of an attempt and the pause after it.
const ATTEMPT: Duration = Duration::from_secs(120);

pub const ONE_AT_A_TIME: Invariant = Invariant {
    name: "one_request_at_a_time",
    sentence: "a keeper has at most one running token request",
    check: one_at_a_time,
};

pub const UNDER_LEASE: Invariant = Invariant {
    name: "requests_are_made_under_the_lease",
    sentence: "among all processes with one store, only the holder of a name's lease requests its token, unless the \
        store is unreachable",
    check: under_lease,
};

pub const MARKED_FIRST: Invariant = Invariant {
    name: "marked_before_sent",
    sentence: "before a refresh token is sent, it is marked as sent in the store",
    check: marked_first,
};

pub const SENT_ONCE: Invariant = Invariant {
    name: "refresh_tokens_are_sent_once",
    sentence: "a refresh token that was replaced, or that another run may have used up, is not sent again",
    check: sent_once,
};

fn one_at_a_time(run: &Run) -> Result<(), String> {
    let mut open = BTreeMap::new();
    for entry in &run.log {
        match &entry.event {
            Event::Sent { id, owner, .. } => {
                if let Some(other) = open.insert(*owner, *id) {
                    return fail(format!("request {id} of {owner:?} was sent at {:?} during {other}", entry.at));
                }
            }
            Event::Answered { owner, .. } => drop(open.remove(owner)),
            Event::Ended { run } => open.retain(|owner, _| owner.run != *run),
            _ => {}
        }
    }
    Ok(())
}

fn under_lease(run: &Run) -> Result<(), String> {
    // A process may hold two if it was suspended past the end of the first; other rules cover the consequences.
    let mut leased: BTreeSet<(u32, u32, u64)> = BTreeSet::new();
    let mut refused: BTreeMap<(u32, u32), Duration> = BTreeMap::new();
    for entry in &run.log {
        match &entry.event {
            Event::Leased { run, subject, lease } => drop(leased.insert((*run, *subject, *lease))),
            Event::GaveBack { run, subject, lease } => drop(leased.remove(&(*run, *subject, *lease))),
            Event::Loaded { run, subject, found: Found::Error } => {
                refused.insert((*run, *subject), entry.awake);
            }
            Event::Sent { owner, .. } => {
                let name = (owner.run, owner.subject);
                // An unreachable store grants no lease; other rules cover what may be sent then.
                let away = refused.get(&name).is_some_and(|at| entry.awake < *at + ATTEMPT);
                let holds = leased.range((name.0, name.1, 0)..=(name.0, name.1, u64::MAX)).next().is_some();
                if !holds && !away {
                    return fail(format!("{owner:?} asked at {:?} without the lease", entry.at));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn marked_first(run: &Run) -> Result<(), String> {
    // Which grants a run has marked as sent, and whose refresh token that is. An expired lease does not remove the
    // mark.
    let mut marked: BTreeSet<(u32, &str)> = BTreeSet::new();
    let mut grants: BTreeSet<(&str, &str)> = BTreeSet::new();
    for entry in &run.log {
        match &entry.event {
            Event::Answered { end: End::Granted { access, refresh: Some(refresh), .. }, .. }
            | Event::Loaded { found: Found::Grant { access, refresh: Some(refresh), .. }, .. } => {
                grants.insert((access, refresh));
            }
            Event::Saved { run, access, mark: true, ok: true, .. } => drop(marked.insert((*run, access))),
            // A failed second mark does not remove the first.
            Event::Saved { run, access, mark: false, .. } => drop(marked.remove(&(*run, access))),
            Event::Sent { owner, refresh: Some(token), .. } => {
                // The first refresh token of a flow without a login is in no store yet.
                let given = *token == first_refresh_token(owner.subject);
                let is_marked =
                    marked.iter().any(|(run, grant)| *run == owner.run && grants.contains(&(*grant, token)));
                if !given && !is_marked {
                    return fail(format!("{owner:?} sent {token} at {:?} with no mark", entry.at));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn sent_once(run: &Run) -> Result<(), String> {
    let mut before: BTreeMap<String, Vec<Request>> = BTreeMap::new();
    for request in requests(run) {
        let Some(token) = request.refresh.clone() else { continue };
        let known = before.entry(token.clone()).or_default();
        if known.last().is_some_and(|last| !may_resend(run, last, &request, &token)) {
            let first = known.last();
            return fail(format!(
                "{token} was sent again at {:?} by {:?} after {first:?}",
                request.sent, request.owner
            ));
        }
        known.push(request);
    }
    Ok(())
}

/// Whether `request` may send the token that `last` sent before.
fn may_resend(run: &Run, last: &Request, request: &Request, token: &str) -> bool {
    // If a keeper is suspended past the end of its lease before it has read its reply, the outcome is unknown.
    let ours = last.owner.run == request.owner.run && !is_under_way(run, last, request.place);
    match last.end.as_ref().map(|end| &end.how) {
        Some(End::Granted { refresh, access, .. }) => {
            // A reply without a refresh token keeps the one that was sent (RFC 6749 §6).
            refresh.as_deref().is_none_or(|next| next == token)
                || (!ours && !run.setup.login && !is_saved(run, access, request.place))
        }
        Some(End::Failed { outcome: Outcome::Connect, .. }) => true,
        Some(End::Failed { dead: true, .. }) => !run.setup.login,
        Some(End::Failed { .. } | End::Cut) => ours || !run.setup.login,
        None => !run.setup.login,
    }
}

/// Whether the lease of a request is still held at this point of the log.
fn is_under_way(run: &Run, request: &Request, before: usize) -> bool {
    let mut leases = run.log[..request.place].iter().rev().filter_map(|entry| match entry.event {
        Event::Leased { run, subject, lease } if (run, subject) == (request.owner.run, request.owner.subject) => {
            Some(lease)
        }
        _ => None,
    });
    let under = leases.next();
    !run.log[request.place..before]
        .iter()
        .any(|entry| matches!(entry.event, Event::GaveBack { lease, .. } if Some(lease) == under))
}

fn is_saved(run: &Run, grant: &str, before: usize) -> bool {
    run.log[..before]
        .iter()
        .any(|entry| matches!(&entry.event, Event::Saved { access, mark: false, ok: true, .. } if access == grant))
}
