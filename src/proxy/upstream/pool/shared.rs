//! An HTTP/2 connection that many requests share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::clock::{Moment, SharedClock};
use crate::proxy::upstream::http2::Http2;

/// A connection and the number of its streams. It closes once the pool and the last stream have dropped it.
pub(crate) struct SharedConnection {
    http2: RefCell<Http2>,
    streams: Cell<usize>,
    created: Moment,
    idle_since: Cell<Moment>,
    retired: Cell<bool>,
    clock: SharedClock,
}

/// One request's handle to a shared connection.
pub(crate) struct StreamHandle {
    pub(crate) http2: Http2,
    connection: Rc<SharedConnection>,
}

impl SharedConnection {
    pub(super) fn new(http2: Http2, clock: SharedClock) -> Rc<Self> {
        let now = clock.now();
        let (streams, retired) = (Cell::new(0), Cell::new(false));
        let http2 = RefCell::new(http2);
        Rc::new(Self { http2, streams, created: now, idle_since: Cell::new(now), retired, clock })
    }

    /// Whether it must take no more requests: it has closed, was retired, is too old, or was idle for too long.
    pub(super) fn is_stale(&self, now: Moment, idle: Duration, life: Duration) -> bool {
        let unused = self.streams.get() == 0 && now.since(self.idle_since.get()) >= idle;
        self.http2.borrow_mut().is_closed() || self.retired.get() || unused || now.since(self.created) >= life
    }

    /// Since when it has had no streams; `None` if it has some.
    pub(super) fn idle_since(&self) -> Option<Moment> {
        (self.streams.get() == 0).then(|| self.idle_since.get())
    }

    /// Whether the server allows one more stream.
    pub(super) fn has_room(&self) -> bool {
        self.streams.get() < self.http2.borrow().room()
    }

    /// Counts one more stream.
    pub(super) fn stream(self: &Rc<Self>) -> StreamHandle {
        self.streams.set(self.streams.get().saturating_add(1));
        StreamHandle { http2: self.http2.borrow().clone(), connection: self.clone() }
    }
}

impl StreamHandle {
    /// Stops the connection from taking new requests, because the server seems to be gone.
    pub(super) fn retire(&self) {
        self.connection.retired.set(true);
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        let left = self.connection.streams.get().saturating_sub(1);
        self.connection.streams.set(left);
        if left == 0 {
            self.connection.idle_since.set(self.connection.clock.now());
        }
    }
}
