//! Which token a request may use, and what readers see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Invariant, fail};
use crate::history::Action;
use crate::log::{End, Event, Found, Owner, Run, Seen};

pub const ALIVE: Invariant = Invariant {
    name: "no_dead_or_foreign_token_is_sent",
    sentence: "no request is sent with a token that is known to be expired or was granted to another subject",
    check: alive,
};

pub const KEPT: Invariant = Invariant {
    name: "a_valid_token_is_kept",
    sentence: "a token that readers saw stays until it expires or is replaced: no failure discards it",
    check: kept,
};

pub const SAVED_FIRST: Invariant = Invariant {
    name: "saved_before_used",
    sentence: "no request uses a token that was not offered to the store first, unless the store granted no lease",
    check: saved_first,
};

pub const NOT_REVOKED: Invariant = Invariant {
    name: "no_revoked_token_is_sent",
    sentence: "a revoked token is not used, and no token in a persistent store is revoked",
    check: not_revoked,
};

fn alive(run: &Run) -> Result<(), String> {
    let did = |is: fn(&Action) -> bool| run.log.iter().any(|entry| matches!(&entry.event, Event::Did(it) if is(it)));
    let stepped = did(|action| matches!(action, Action::StepWall { .. }));
    let stood_still = did(|action| matches!(action, Action::Pause { .. } | Action::FreezeAtRefresh { .. }));
    let mut grants: BTreeMap<&str, (Owner, Option<Duration>)> = BTreeMap::new();
    let mut last: BTreeMap<Owner, &str> = BTreeMap::new();
    // Whose readers have seen the right end of that last one.
    let mut shown: BTreeSet<Owner> = BTreeSet::new();
    for entry in &run.log {
        match &entry.event {
            Event::Answered { owner, end: End::Granted { access, until, .. }, .. } => {
                grants.insert(access, (*owner, *until));
                last.insert(*owner, access);
                shown.remove(owner);
            }
            // Possibly adopted: the earlier one is then forgotten.
            Event::Loaded { run, subject, found: Found::Grant { access, .. } } => {
                last.retain(|owner, known| (owner.run, owner.subject) != (*run, *subject) || *known == access);
            }
            Event::Looked { owner, token: Some(seen) } if last.get(owner) == Some(&seen.access.as_str()) => {
                let until = grants.get(seen.access.as_str()).and_then(|(_, until)| *until);
                if until.zip(seen.expires).is_some_and(|(until, expires)| expires <= until) {
                    shown.insert(*owner);
                }
            }
            Event::Forwarded { owner, token, asked_for, .. } => {
                let Some((granted_to, until)) = grants.get(token.access.as_str()) else {
                    return fail(format!("{token:?} was never granted"));
                };
                // After a clock step, a keeper knows the expiry of its last token only. If it was suspended before it
                // could publish that, its readers may run before it does.
                let is_last = last.get(owner) == Some(&token.access.as_str());
                let known = !stepped || (is_last && (!stood_still || shown.contains(owner)));
                let over = until.filter(|_| known).is_some_and(|end| end <= entry.at);
                if over || token.expires.is_some_and(|end| end <= entry.at) {
                    return fail(format!("{token:?} was sent at {:?}, after its end", entry.at));
                }
                if granted_to.subject != *asked_for {
                    return fail(format!("{token:?} of {} was sent for {asked_for}", granted_to.subject));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn kept(run: &Run) -> Result<(), String> {
    let mut seen: BTreeMap<Owner, Seen> = BTreeMap::new();
    // Issued but not published yet: until then, readers see the previous token.
    let mut coming: BTreeMap<Owner, &str> = BTreeMap::new();
    for entry in &run.log {
        match &entry.event {
            Event::Looked { owner, token: Some(token) } if coming.get(owner).is_none_or(|new| *new == token.access) => {
                coming.remove(owner);
                seen.insert(*owner, token.clone());
            }
            Event::Sent { owner, .. } => drop(coming.remove(owner)),
            Event::Looked { owner, token: None } => {
                let missing = seen.get(owner).filter(|token| token.expires.is_none_or(|end| entry.at < end));
                if let Some(token) = missing {
                    return fail(format!("{token:?} of {owner:?} was not there at {:?}", entry.at));
                }
            }
            Event::Answered { owner, end: End::Granted { access, .. }, .. } => {
                coming.insert(*owner, access);
                seen.remove(owner);
            }
            Event::Loaded { run, subject, found: Found::Grant { access, .. } } => {
                seen.retain(|owner, token| (owner.run, owner.subject) != (*run, *subject) || token.access == *access);
            }
            _ => {}
        }
    }
    Ok(())
}

fn saved_first(run: &Run) -> Result<(), String> {
    // A token that the server returns again was new, and saved, once.
    let mut new: BTreeMap<(u32, &str), bool> = BTreeMap::new();
    let mut away: BTreeSet<(u32, u32)> = BTreeSet::new();
    let mut unleased: BTreeSet<u32> = BTreeSet::new();
    // Keepers whose refresh token was refused while they had no lease.
    let mut dead: BTreeSet<Owner> = BTreeSet::new();
    for entry in &run.log {
        match &entry.event {
            // A sibling's later lease is not the request's, nor that of the login after it.
            Event::Sent { id, owner, .. } if away.contains(&(owner.run, owner.subject)) || dead.contains(owner) => {
                unleased.insert(*id);
                dead.remove(owner);
            }
            Event::Answered { id, owner, end: End::Failed { dead: true, .. } } if unleased.contains(id) => {
                dead.insert(*owner);
            }
            Event::Answered { id, owner, end: End::Granted { access, .. } } => {
                new.entry((owner.run, access)).or_insert(!unleased.contains(id));
            }
            Event::Loaded { run, subject, found: Found::Error } => drop(away.insert((*run, *subject))),
            Event::Loaded { run, found: Found::Grant { access, .. }, .. } => drop(new.insert((*run, access), false)),
            Event::Leased { run, subject, .. } => drop(away.remove(&(*run, *subject))),
            Event::Saved { run, access, mark: false, .. } => drop(new.insert((*run, access), false)),
            Event::Forwarded { owner, token, .. } if new.get(&(owner.run, &token.access)) == Some(&true) => {
                return fail(format!("{token:?} was sent at {:?} and had not been saved", entry.at));
            }
            _ => {}
        }
    }
    Ok(())
}

fn not_revoked(run: &Run) -> Result<(), String> {
    let mut revoked = BTreeSet::new();
    for entry in &run.log {
        match &entry.event {
            Event::Revoked { access, .. } if run.setup.lasting => return fail(format!("{access} was revoked")),
            Event::Revoked { access, .. } => drop(revoked.insert(access)),
            Event::Forwarded { token, .. } if revoked.contains(&token.access) => {
                return fail(format!("{token:?} was sent at {:?} after it was revoked", entry.at));
            }
            _ => {}
        }
    }
    Ok(())
}
