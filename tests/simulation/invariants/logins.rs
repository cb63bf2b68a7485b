//! When a login is allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, fail};
use crate::history::Refreshing;
use crate::log::{End, Event, Found, Owner, Run};
use bearerd::token::source::Step;

pub const ALLOWED: Invariant = Invariant {
    name: "logins_only_where_allowed",
    sentence: "a flow with refresh tokens logs in only if none may be sent: none is known, another run marked it as \
        sent, the server called it dead, the store is unreachable, or a secret must prove itself",
    check: allowed,
};

/// What a keeper can know.
#[derive(Default)]
struct Knowledge {
    /// What was last found under each store name, and whether the store failed since.
    found: BTreeMap<(u32, u32), Found>,
    failed: BTreeSet<(u32, u32)>,
    /// Which run marked each name last.
    marked_by: BTreeMap<u32, u32>,
    refresh: BTreeMap<Owner, Option<String>>,
    /// Names whose refresh token another process may have used.
    marked: BTreeSet<(u32, u32)>,
    dead: BTreeSet<Owner>,
    /// Which keeper sent each refresh token last.
    sent_by: BTreeMap<String, Owner>,
    proved: BTreeSet<Owner>,
    /// The secret that each run started with.
    first: BTreeMap<u32, u32>,
}

fn allowed(run: &Run) -> Result<(), String> {
    if !matches!(run.setup.refresh, Refreshing::Rotating | Refreshing::Kept) || !run.setup.login {
        return Ok(());
    }
    let mut known = Knowledge::default();
    for entry in &run.log {
        if let Event::Sent { owner, step: Step::Login, .. } = &entry.event
            && !known.may_log_in(*owner)
        {
            return fail(format!("{owner:?} logged in at {:?}", entry.at));
        }
        known.learn(&entry.event);
    }
    Ok(())
}

impl Knowledge {
    fn may_log_in(&self, owner: Owner) -> bool {
        let name = (owner.run, owner.subject);
        let unproved = self.first.get(&owner.run) != Some(&owner.secret) && !self.proved.contains(&owner);
        let stored = match self.found.get(&name) {
            Some(Found::Grant { refresh, .. }) => refresh.is_some(),
            Some(Found::Nothing | Found::Error) | None => false,
        };
        // A store that lost its content cannot tell which refresh token is the newest.
        let emptied = self.found.get(&name) == Some(&Found::Nothing);
        let none = emptied || self.refresh.get(&owner).map_or(!stored, Option::is_none);
        // The keepers of a process with an old and a new secret do not share what they sent.
        let siblings = match self.found.get(&name) {
            Some(Found::Grant { refresh: Some(token), mark: true, .. }) => self.sent_by.get(token) != Some(&owner),
            _ => false,
        };
        unproved
            || none
            || siblings
            || self.failed.contains(&name)
            || self.marked.contains(&name)
            || self.dead.contains(&owner)
    }

    fn learn(&mut self, event: &Event) {
        match event {
            Event::Started { run, secret, .. } => drop(self.first.insert(*run, *secret)),
            Event::Sent { owner, refresh: Some(refresh), .. } => drop(self.sent_by.insert(refresh.clone(), *owner)),
            Event::Loaded { run, subject, found } => self.load(*run, *subject, found),
            Event::Saved { run, subject, mark, ok, .. } => {
                if *mark && *ok {
                    self.marked_by.insert(*subject, *run);
                }
                if !ok {
                    self.failed.insert((*run, *subject));
                    // It is unknown whether it took effect.
                    self.marked_by.remove(subject);
                }
            }
            Event::Answered { owner, end, .. } => self.answer(*owner, end),
            _ => {}
        }
    }

    fn load(&mut self, run: u32, subject: u32, found: &Found) {
        let name = (run, subject);
        match found {
            Found::Error => drop(self.failed.insert(name)),
            Found::Nothing => drop(self.failed.remove(&name)),
            Found::Grant { mark, refresh, .. } => {
                self.failed.remove(&name);
                if refresh.is_none() {
                    self.have_none(name);
                }
                if *mark && self.marked_by.get(&subject) != Some(&run) {
                    self.marked.insert(name);
                }
            }
        }
        self.found.insert(name, found.clone());
    }

    /// The newest grant of a name has no refresh token.
    fn have_none(&mut self, name: (u32, u32)) {
        let ours = self.refresh.iter_mut().filter(|(owner, _)| (owner.run, owner.subject) == name);
        ours.for_each(|(_, known)| *known = None);
    }

    fn answer(&mut self, owner: Owner, end: &End) {
        match end {
            End::Granted { refresh, .. } => {
                self.dead.remove(&owner);
                self.marked.remove(&(owner.run, owner.subject));
                self.proved.insert(owner);
                self.refresh.insert(owner, refresh.clone());
                if refresh.is_none() {
                    self.have_none((owner.run, owner.subject));
                }
            }
            End::Failed { dead: true, .. } => drop(self.dead.insert(owner)),
            End::Failed { .. } | End::Cut => {}
        }
    }
}
