//! A linked list through the entries of a vector, in order of last use.

/// The index that means "none".
const END: usize = usize::MAX;

/// The most and the least recently used entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    newest: usize,
    oldest: usize,
}

/// The previous and the next entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbours {
    newer: usize,
    older: usize,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self { newer: END, older: END }
    }
}

impl Order {
    pub(super) const EMPTY: Self = Self { newest: END, oldest: END };

    pub(super) fn oldest(&self) -> Option<usize> {
        (self.oldest != END).then_some(self.oldest)
    }

    /// Inserts an entry as the most recent.
    pub(super) fn link(&mut self, entries: &mut [impl AsMut<Neighbours>], place: usize) {
        *entries[place].as_mut() = Neighbours { newer: END, older: self.newest };
        self.relink(entries, place);
    }

    pub(super) fn unlink(&mut self, entries: &mut [impl AsMut<Neighbours>], place: usize) {
        let Neighbours { newer, older } = *entries[place].as_mut();
        self.set_older(entries, newer, older);
        self.set_newer(entries, older, newer);
    }

    /// Updates the neighbours of an entry that has moved to another index.
    pub(super) fn relink(&mut self, entries: &mut [impl AsMut<Neighbours>], place: usize) {
        let Neighbours { newer, older } = *entries[place].as_mut();
        self.set_older(entries, newer, place);
        self.set_newer(entries, older, place);
    }

    /// All indexes, from the most to the least recent.
    #[cfg(test)]
    pub(super) fn places(&self, entries: &mut [impl AsMut<Neighbours>]) -> Vec<usize> {
        let mut next = self.newest;
        let follow = || {
            let place = next;
            next = entries.get_mut(place)?.as_mut().older;
            Some(place)
        };
        std::iter::from_fn(follow).collect()
    }

    fn set_older(&mut self, entries: &mut [impl AsMut<Neighbours>], of: usize, older: usize) {
        match entries.get_mut(of) {
            Some(entry) => entry.as_mut().older = older,
            None => self.newest = older,
        }
    }

    fn set_newer(&mut self, entries: &mut [impl AsMut<Neighbours>], of: usize, newer: usize) {
        match entries.get_mut(of) {
            Some(entry) => entry.as_mut().newer = newer,
            None => self.oldest = newer,
        }
    }
}
