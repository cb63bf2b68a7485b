//! How much of the bodies in flight may be kept for repeats.

use std::cell::Cell;
use std::rc::Rc;

use super::memory::Memory;

/// What all requests together may still keep.
pub(crate) struct Budget {
    left: Cell<u64>,
    memory: Rc<Memory>,
}

impl Budget {
    /// A budget of so many bytes, of which nothing is given out while memory is tight.
    pub(crate) fn new(bytes: u64, memory: Rc<Memory>) -> Self {
        Self { left: Cell::new(bytes), memory }
    }

    /// Takes a share, if there is as much left.
    pub(crate) fn reserve(&self, bytes: u64) -> bool {
        let left = self.left.get().checked_sub(bytes).filter(|_| !self.memory.is_tight());
        self.left.set(left.unwrap_or_else(|| self.left.get()));
        left.is_some()
    }

    /// Gives a share back.
    pub(crate) fn release(&self, bytes: u64) {
        self.left.set(self.left.get().saturating_add(bytes));
    }

    #[cfg(test)]
    pub(crate) fn left(&self) -> u64 {
        self.left.get()
    }
}
