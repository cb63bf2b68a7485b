//! A counter with one writer.

use std::sync::atomic::{AtomicU64, Ordering};

/// Written by one thread, read by any. Adding is a load and a store, not an atomic read-modify-write: with one writer
/// nothing is lost.
#[derive(Default, Debug)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    pub(super) fn take_one(&self) {
        self.set(self.get().saturating_sub(1));
    }
}
