//! The subjects of one upstream: a limited number, of which the least useful are dropped first, and idle ones after a
//! time.
#![allow(
    clippy::indexing_slicing,
    reason = "an index always belongs to an existing entry, and only this module has indexes"
)]

mod order;

use std::collections::HashMap;
use std::time::Duration;

use order::{Neighbours, Order};

use super::handle::TokenHandle;
use super::key::Subject;
use super::status::Promise;
use crate::clock::Moment;

/// Cached values of a subject are dropped after this time without use; they can be rebuilt.
const COLD: Duration = Duration::from_secs(60);

/// One subject's token and the values cached with it.
pub struct SubjectEntry<T> {
    pub token: TokenHandle,
    /// Cached by the user of this type, such as a rendered patch.
    pub kept: T,
}

/// How soon a subject makes room for another. The numbers index the orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rank {
    /// Its first attempt is running, or nobody has looked since.
    New = 0,
    /// It has had a token.
    Proven = 1,
    /// It never had a token and its last attempt failed. It is kept only so that it is not requested all the time.
    Barren = 2,
}

/// The subjects in use. For one thread: it takes no lock, and finds a known subject without an allocation.
pub struct Subjects<T> {
    max: usize,
    idle: Duration,
    places: HashMap<Subject, usize>,
    entries: Vec<OrderedEntry<T>>,
    /// The entries of each rank, in order of last use.
    orders: [Order; 3],
    /// Where the last sweep for cached values stopped.
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
    /// Holds at most `max` subjects, and none that is unused for `idle`.
    pub fn new(max: usize, idle: Duration) -> Self {
        let orders = [Order::EMPTY; 3];
        Self { max: max.max(1), idle, places: HashMap::new(), entries: Vec::new(), orders, looked: 0 }
    }

    /// A known subject by its name. It matched its pattern when it was added, so it is not checked again.
    pub fn get(&mut self, name: &str, now: Moment) -> Option<&mut SubjectEntry<T>> {
        let place = *self.places.get(name)?;
        self.touch(place, now);
        self.entries.get_mut(place).map(|entry| &mut entry.value)
    }

    /// The subject, opened if it is not known; another one may be dropped to make room.
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

    pub fn remove(&mut self, subject: &Subject) {
        if let Some(place) = self.places.get(subject) {
            self.take(*place);
        }
    }

    /// Drops subjects that were unused for too long, and the cached values of a sixtieth of the others, so that a call
    /// per second is cheap and covers all of them in a minute. A refused subject is kept as long as its hold lasts:
    /// otherwise the next request would ask for it again.
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

    pub fn len(&self) -> usize {
        self.entries.len()
    }

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

    /// Makes an entry the most recent of its rank.
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

    /// Drops a subject that never had a token, or else the one unused for the longest time.
    fn make_room(&mut self, now: Moment) {
        self.look_again(now);
        let older = |place: &usize| self.entries[*place].used;
        let used = [Rank::New, Rank::Proven].into_iter().filter_map(|rank| self.oldest(rank)).min_by_key(older);
        if let Some(place) = self.oldest(Rank::Barren).or(used) {
            self.take(place);
        }
    }

    /// Updates the rank of subjects whose attempt has ended since their last use. A new token counts as use.
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

    /// Removes an entry. The last entry moves into its place, so that the vector stays dense.
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
