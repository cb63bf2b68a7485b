//! The subjects of one upstream: bounded, the least recently used out first, the idle out in time.

use std::collections::HashMap;
use std::time::Duration;

use super::handle::TokenHandle;
use super::key::Subject;
use crate::clock::Moment;

/// The place before the first and after the last.
const END: usize = usize::MAX;

/// One subject's token, and what its user keeps with it.
pub struct Held<T> {
    /// Its token.
    pub token: TokenHandle,
    /// What was rendered from it, for example.
    pub kept: T,
}

/// The subjects that are in use. For one thread: no lock, and a warm subject is found without an allocation.
pub struct Subjects<T> {
    max: usize,
    idle: Duration,
    places: HashMap<Subject, usize>,
    entries: Vec<Entry<T>>,
    newest: usize,
    oldest: usize,
}

/// An entry of the list by use, which goes from the newest to the oldest.
struct Entry<T> {
    subject: Subject,
    used: Moment,
    newer: usize,
    older: usize,
    held: Held<T>,
}

impl<T: Default> Subjects<T> {
    /// Holds at most `max`, and none that was unused for `idle`.
    pub fn new(max: usize, idle: Duration) -> Self {
        Self { max: max.max(1), idle, places: HashMap::new(), entries: Vec::new(), newest: END, oldest: END }
    }

    /// A subject that is held, by its name: what is held has matched its pattern, so this needs no second look.
    pub fn get(&mut self, name: &str, now: Moment) -> Option<&mut Held<T>> {
        let place = *self.places.get(name)?;
        self.touch(place, now);
        self.entries.get_mut(place).map(|entry| &mut entry.held)
    }

    /// The subject, opened if it is not held; the least recently used one makes room.
    pub fn get_or_insert_with(
        &mut self,
        subject: &Subject,
        now: Moment,
        open: impl FnOnce(&Subject) -> TokenHandle,
    ) -> &mut Held<T> {
        let place = match self.places.get(subject) {
            Some(place) => *place,
            None => self.insert(subject, now, open(subject)),
        };
        self.touch(place, now);
        &mut self.entries[place].held
    }

    /// Drops whatever was unused for too long; costs nothing else.
    pub fn sweep(&mut self, now: Moment) {
        while let Some(entry) = self.entries.get(self.oldest).filter(|entry| now.since(entry.used) >= self.idle) {
            debug_assert!(self.places.contains_key(&entry.subject));
            self.remove(self.oldest);
        }
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn insert(&mut self, subject: &Subject, now: Moment, token: TokenHandle) -> usize {
        if self.entries.len() >= self.max {
            self.remove(self.oldest);
        }
        let place = self.entries.len();
        let held = Held { token, kept: T::default() };
        self.entries.push(Entry { subject: subject.clone(), used: now, newer: END, older: END, held });
        self.places.insert(subject.clone(), place);
        self.link(place);
        place
    }

    fn touch(&mut self, place: usize, now: Moment) {
        if place != self.newest {
            self.unlink(place);
            self.link(place);
        }
        self.entries[place].used = now;
    }

    /// Puts an entry before the newest.
    fn link(&mut self, place: usize) {
        let second = std::mem::replace(&mut self.newest, place);
        (self.entries[place].newer, self.entries[place].older) = (END, second);
        match self.entries.get_mut(second) {
            Some(entry) => entry.newer = place,
            None => self.oldest = place,
        }
    }

    fn unlink(&mut self, place: usize) {
        let (newer, older) = (self.entries[place].newer, self.entries[place].older);
        self.join(newer, older);
    }

    /// Makes two places neighbours.
    fn join(&mut self, newer: usize, older: usize) {
        match self.entries.get_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Takes an entry out; the last one moves into its place, so that the entries stay dense.
    fn remove(&mut self, place: usize) {
        self.unlink(place);
        let gone = self.entries.swap_remove(place);
        self.places.remove(&gone.subject);
        if let Some(moved) = self.entries.get(place) {
            let (newer, older) = (moved.newer, moved.older);
            self.places.insert(moved.subject.clone(), place);
            self.link_between(place, newer, older);
        }
    }

    fn link_between(&mut self, place: usize, newer: usize, older: usize) {
        self.join(newer, place);
        self.join(place, older);
    }
}

#[cfg(test)]
mod tests;
