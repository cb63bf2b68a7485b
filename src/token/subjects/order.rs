//! Entries of a vector in the order of their use: a list through their places.

/// The place before the first and after the last.
const END: usize = usize::MAX;

/// The newest and the oldest of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    newest: usize,
    oldest: usize,
}

/// An entry's neighbours.
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

    /// Puts an entry before the newest.
    pub(super) fn link(&mut self, entries: &mut [impl AsMut<Neighbours>], place: usize) {
        *entries[place].as_mut() = Neighbours { newer: END, older: self.newest };
        self.relink(entries, place);
    }

    pub(super) fn unlink(&mut self, entries: &mut [impl AsMut<Neighbours>], place: usize) {
        let Neighbours { newer, older } = *entries[place].as_mut();
        self.set_older(entries, newer, older);
        self.set_newer(entries, older, newer);
    }

    /// Tells an entry's neighbours its place, which is a new one.
    pub(super) fn relink(&mut self, entries: &mut [impl AsMut<Neighbours>], place: usize) {
        let Neighbours { newer, older } = *entries[place].as_mut();
        self.set_older(entries, newer, place);
        self.set_newer(entries, older, place);
    }

    /// All places, from the newest to the oldest.
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
