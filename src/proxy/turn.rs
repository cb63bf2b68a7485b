//! A caller's turns: while none is taken, its next request is waited for.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::sweep::{Slot, Waiting};

/// The requests in flight on one connection of a caller's. HTTP/1 has one at a time, HTTP/2 many.
pub(crate) struct Turns {
    slot: Rc<Slot>,
    idle: Duration,
    taken: Cell<usize>,
    begun: Cell<bool>,
}

/// One request's turn; dropping it ends it.
pub(crate) struct Turn(Rc<Turns>);

impl Turns {
    /// Nobody's turn yet: the first request is waited for.
    pub(crate) fn new(slot: Rc<Slot>, idle: Duration) -> Rc<Self> {
        slot.wait(Waiting::NextRequest, idle);
        Rc::new(Self { slot, idle, taken: Cell::new(0), begun: Cell::new(false) })
    }

    /// The first request is there, and will take its turn.
    pub(crate) fn begin(&self) {
        self.begun.set(true);
    }

    /// Whether there has been one.
    pub(crate) fn have_begun(&self) -> bool {
        self.begun.get()
    }

    /// A request has come in.
    pub(crate) fn take(self: &Rc<Self>) -> Turn {
        self.slot.rest();
        self.taken.set(self.taken.get().saturating_add(1));
        Turn(self.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let left = self.0.taken.get().saturating_sub(1);
        self.0.taken.set(left);
        if left == 0 {
            self.0.slot.wait(Waiting::NextRequest, self.0.idle);
        }
    }
}
