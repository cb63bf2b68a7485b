//! How much of the bodies in flight may be kept for repeats.

use std::cell::Cell;

/// What all requests together may still keep.
#[derive(Debug)]
pub(crate) struct Budget(Cell<u64>);

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Cell::new(bytes))
    }

    /// Takes a share, if there is as much left.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or_else(|| self.0.get()));
        left.is_some()
    }

    /// Gives a share back.
    pub(crate) fn give(&self, bytes: u64) {
        self.0.set(self.0.get().saturating_add(bytes));
    }

    #[cfg(test)]
    pub(crate) fn left(&self) -> u64 {
        self.0.get()
    }
}
