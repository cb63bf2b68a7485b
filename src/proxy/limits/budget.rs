//! Limits how much of the request bodies in flight is kept for a repeat.

use std::cell::Cell;
use std::rc::Rc;

use super::memory::Memory;

/// The bytes that may still be kept, for all requests together.
pub(crate) struct Budget {
    left: Cell<u64>,
    memory: Rc<Memory>,
}

impl Budget {
    /// Creates a budget. It gives out nothing while memory is tight.
    pub(crate) fn new(bytes: u64, memory: Rc<Memory>) -> Self {
        Self { left: Cell::new(bytes), memory }
    }

    /// Reserves bytes if enough are left.
    pub(crate) fn reserve(&self, bytes: u64) -> bool {
        let left = self.left.get().checked_sub(bytes).filter(|_| !self.memory.is_tight());
        self.left.set(left.unwrap_or_else(|| self.left.get()));
        left.is_some()
    }

    /// Returns reserved bytes.
    pub(crate) fn release(&self, bytes: u64) {
        self.left.set(self.left.get().saturating_add(bytes));
    }

    #[cfg(test)]
    pub(crate) fn left(&self) -> u64 {
        self.left.get()
    }
}
