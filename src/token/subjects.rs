//! The subjects of one upstream: bounded, the least useful out first, the idle out in time.
#![allow(clippy::indexing_slicing, reason = "a place is always that of an entry that is there; nobody else names one")]

mod order;

use std::collections::HashMap;
use std::time::Duration;

use order::{Neighbours, Order};

use super::handle::TokenHandle;
use super::key::Subject;
use super::status::Promise;
use crate::clock::Moment;

/// What is kept with a token can be made again, and goes when the subject was unused for this long.
const COLD: Duration = Duration::from_secs(60);

/// One subject's token, and what its user keeps with it.
pub struct SubjectEntry<T> {
    /// Its token.
    pub token: TokenHandle,
    /// What was rendered from it, for example.
    pub kept: T,
}

/// What is known of a subject decides how soon it makes room for another. The numbers are those of the orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rank {
    /// Its first attempt runs, or nobody has looked since.
    New = 0,
    /// It had a token.
    Proven = 1,
    /// It never had one, and its last attempt failed: remembered only so that it is not asked for all the time.
    Barren = 2,
}

/// The subjects that are in use. For one thread: no lock, and a warm subject is found without an allocation.
pub struct Subjects<T> {
    max: usize,
    idle: Duration,
    places: HashMap<Subject, usize>,
    entries: Vec<OrderedEntry<T>>,
    /// The entries of each rank, by use.
    orders: [Order; 3],
    /// Up to where the last sweep looked for what is cold.
    looked: usize,
}

struct OrderedEntry<T> {
    subject: Subject,
    used: Moment,
    rank: Rank,
    link: Neighbours,
    value: SubjectEntry<T>,
}

impl<T> AsMut<Neighbours> for OrderedEntry<T> {
    fn as_mut(&mut self) -> &mut Neighbours {
        &mut self.link
    }
}

impl<T: Default> Subjects<T> {
    /// Holds at most `max`, and none that was unused for `idle`.
    pub fn new(max: usize, idle: Duration) -> Self {
        let orders = [Order::EMPTY; 3];
        Self { max: max.max(1), idle, places: HashMap::new(), entries: Vec::new(), orders, looked: 0 }
    }

    /// A subject that is held, by its name: what is held has matched its pattern, so this needs no second look.
    pub fn get(&mut self, name: &str, now: Moment) -> Option<&mut SubjectEntry<T>> {
        let place = *self.places.get(name)?;
        self.touch(place, now);
        self.entries.get_mut(place).map(|entry| &mut entry.value)
    }

    /// The subject, opened if it is not held; another one makes room.
    pub fn get_or_insert_with(
        &mut self,
        subject: &Subject,
        now: Moment,
        open: impl FnOnce(&Subject) -> TokenHandle,
    ) -> &mut SubjectEntry<T> {
        let place = match self.places.get(subject) {
            Some(place) => *place,
            None => self.insert(subject, now, open(subject)),
        };
        self.touch(place, now);
        &mut self.entries[place].value
    }

    /// Lets a subject go.
    pub fn remove(&mut self, subject: &Subject) {
        if let Some(place) = self.places.get(subject) {
            self.take(*place);
        }
    }

    /// Drops whoever was unused for too long; of the others looks at one in sixty, so that a second costs next to
    /// nothing and a minute lets go of all that is cold. A refused subject is remembered as long as its hold lasts:
    /// without it, the next request would ask for it again.
    pub fn sweep(&mut self, now: Moment) {
        for rank in [Rank::New, Rank::Proven, Rank::Barren] {
            while let Some(place) = self.oldest(rank).filter(|place| self.is_over(*place, now)) {
                self.take(place);
            }
        }
        for _ in 0..self.entries.len().div_ceil(60) {
            self.looked = self.looked.saturating_add(1).checked_rem(self.entries.len()).unwrap_or_default();
            if let Some(entry) = self.entries.get_mut(self.looked).filter(|entry| now.since(entry.used) >= COLD) {
                entry.value.kept = T::default();
            }
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
            self.make_room(now);
        }
        let place = self.entries.len();
        let value = SubjectEntry { token, kept: T::default() };
        let entry =
            OrderedEntry { subject: subject.clone(), used: now, rank: Rank::New, link: Neighbours::default(), value };
        self.entries.push(entry);
        self.places.insert(subject.clone(), place);
        self.orders[Rank::New as usize].link(&mut self.entries, place);
        place
    }

    fn touch(&mut self, place: usize, now: Moment) {
        let Some(entry) = self.entries.get_mut(place) else { return };
        let rank = entry.value.token.rank_after(entry.rank);
        entry.used = now;
        self.rank(place, rank);
    }

    /// Makes an entry the newest of its rank.
    fn rank(&mut self, place: usize, rank: Rank) {
        let before = std::mem::replace(&mut self.entries[place].rank, rank);
        self.orders[before as usize].unlink(&mut self.entries, place);
        self.orders[rank as usize].link(&mut self.entries, place);
    }

    fn oldest(&self, rank: Rank) -> Option<usize> {
        self.orders[rank as usize].oldest()
    }

    fn is_over(&self, place: usize, now: Moment) -> bool {
        let entry = &self.entries[place];
        let held = entry.rank == Rank::Barren && entry.value.token.held_until().is_some_and(|until| now < until);
        now.since(entry.used) >= self.idle && !held
    }

    /// The barren go first, or else whoever was not used for the longest time.
    fn make_room(&mut self, now: Moment) {
        self.look_again(now);
        let older = |place: &usize| self.entries[*place].used;
        let used = [Rank::New, Rank::Proven].into_iter().filter_map(|rank| self.oldest(rank)).min_by_key(older);
        if let Some(place) = self.oldest(Rank::Barren).or(used) {
            self.take(place);
        }
    }

    /// Ranks anew those whose attempt has ended since they were used. A token that came meanwhile counts as use.
    fn look_again(&mut self, now: Moment) {
        for rank in [Rank::Barren, Rank::New] {
            while let Some(place) = self.oldest(rank) {
                let entry = &mut self.entries[place];
                let found = entry.value.token.rank_after(rank);
                if found == rank {
                    break;
                }
                if found == Rank::Proven {
                    entry.used = now;
                }
                self.rank(place, found);
            }
        }
    }

    /// Takes an entry out; the last one moves into its place, so that the entries stay dense.
    fn take(&mut self, place: usize) {
        let rank = self.entries[place].rank as usize;
        self.orders[rank].unlink(&mut self.entries, place);
        let gone = self.entries.swap_remove(place);
        self.places.remove(&gone.subject);
        if let Some(moved) = self.entries.get(place) {
            let (rank, subject) = (moved.rank as usize, moved.subject.clone());
            self.places.insert(subject, place);
            self.orders[rank].relink(&mut self.entries, place);
        }
    }
}

impl TokenHandle {
    fn rank_after(&self, before: Rank) -> Rank {
        if before == Rank::Proven {
            return before;
        }
        match self.promise() {
            Promise::Open => before,
            Promise::Kept => Rank::Proven,
            Promise::Broken => Rank::Barren,
        }
    }
}

#[cfg(test)]
mod tests;
