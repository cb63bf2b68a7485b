//! A caller's requests in flight: while there is none, the next one is waited for.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::deadline::{Deadline, Waiting};
use super::memory::Memory;

/// The requests in flight on one connection of a caller's. HTTP/1 has one at a time, HTTP/2 many.
pub(crate) struct InFlightCount {
    deadline: Rc<Deadline>,
    idle: Duration,
    memory: Rc<Memory>,
    taken: Cell<usize>,
    begun: Cell<bool>,
    answered: Cell<bool>,
}

/// One request in flight; dropping it ends it.
pub(crate) struct InFlight(Rc<InFlightCount>);

impl InFlightCount {
    /// None yet: the first request is waited for.
    pub(crate) fn new(deadline: Rc<Deadline>, idle: Duration, memory: Rc<Memory>) -> Rc<Self> {
        deadline.wait(Waiting::NextRequest, idle);
        Rc::new(Self {
            deadline,
            idle,
            memory,
            taken: Cell::new(0),
            begun: Cell::new(false),
            answered: Cell::new(false),
        })
    }

    /// The first request is there, and will be counted.
    pub(crate) fn begin(&self) {
        self.begun.set(true);
    }

    /// Whether there has been one.
    pub(crate) fn have_begun(&self) -> bool {
        self.begun.get()
    }

    /// A request has come in.
    pub(crate) fn take(self: &Rc<Self>) -> InFlight {
        self.deadline.clear();
        if self.taken.get() == 0 {
            self.deadline.account.settle(&self.memory);
        }
        self.taken.set(self.taken.get().saturating_add(1));
        InFlight(self.clone())
    }
}

impl InFlight {
    /// How many other requests are in flight on the connection.
    pub(crate) fn others(&self) -> usize {
        self.0.taken.get().saturating_sub(1)
    }

    /// The upstream has answered it.
    pub(crate) fn answered(&self) {
        self.0.answered.set(true);
        self.0.deadline.account.establish();
    }

    /// Whether an upstream has answered a request on the connection before.
    pub(crate) fn was_answered(&self) -> bool {
        self.0.answered.get()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let left = self.0.taken.get().saturating_sub(1);
        self.0.taken.set(left);
        if left == 0 {
            self.0.deadline.wait(Waiting::NextRequest, self.0.idle);
        }
    }
}
