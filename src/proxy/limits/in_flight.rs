//! Counts a caller's requests in flight. When there are none, the wait for the next request begins.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::deadline::{Deadline, Waiting};
use super::memory::Memory;

/// The requests in flight on one connection: at most one over HTTP/1, many over HTTP/2.
pub(crate) struct InFlightCount {
    deadline: Rc<Deadline>,
    idle: Duration,
    memory: Rc<Memory>,
    taken: Cell<usize>,
    begun: Cell<bool>,
    responded: Cell<bool>,
}

/// A request in flight, until it is dropped.
pub(crate) struct InFlight(Rc<InFlightCount>);

impl InFlightCount {
    /// Starts with none, waiting for the first request.
    pub(crate) fn new(deadline: Rc<Deadline>, idle: Duration, memory: Rc<Memory>) -> Rc<Self> {
        deadline.wait(Waiting::NextRequest, idle);
        Rc::new(Self {
            deadline,
            idle,
            memory,
            taken: Cell::new(0),
            begun: Cell::new(false),
            responded: Cell::new(false),
        })
    }

    /// Records that a request is about to be counted.
    pub(crate) fn begin(&self) {
        self.begun.set(true);
    }

    /// Whether there has been a request.
    pub(crate) fn have_begun(&self) -> bool {
        self.begun.get()
    }

    /// Counts a request.
    pub(crate) fn take(self: &Rc<Self>) -> InFlight {
        self.deadline.clear();
        if self.taken.get() == 0 {
            self.deadline.account.reset(&self.memory);
        }
        self.taken.set(self.taken.get().saturating_add(1));
        InFlight(self.clone())
    }
}

impl InFlight {
    pub(crate) fn others(&self) -> usize {
        self.0.taken.get().saturating_sub(1)
    }

    /// Records that the upstream has responded.
    pub(crate) fn mark_responded(&self) {
        self.0.responded.set(true);
        self.0.deadline.account.establish();
    }

    /// Whether an upstream has responded to any request on the connection.
    pub(crate) fn has_responded(&self) -> bool {
        self.0.responded.get()
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
