//! Decides when to read from a caller, and how long it may leave a response unread.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::proxy::limits::memory::{Account, Memory};
use crate::proxy::request::serve::Caller;
use crate::sensor_io::Sensor;

/// The flow control of one connection.
pub(in crate::proxy::caller) struct Pacing {
    memory: Rc<Memory>,
    account: Rc<Account>,
    caller_write: Duration,
}

impl Pacing {
    pub(in crate::proxy::caller) fn of(caller: &Caller) -> Self {
        let (memory, account) = (caller.worker.limiter.memory.clone(), caller.deadline.account.clone());
        Self { memory, account, caller_write: caller.worker.limits.caller_write }
    }
}

impl Sensor for Pacing {
    /// Stops reading while the caller holds more memory than its share, and yields to other connections.
    fn poll_may_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.account.poll_turn(cx));
        if self.memory.allows(&self.account) {
            return Poll::Ready(());
        }
        self.memory.pause(cx.waker());
        Poll::Pending
    }

    fn poll_may_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.account.poll_turn(cx)
    }

    fn has_read(&mut self, bytes: &[u8]) {
        self.account.count_bytes(bytes.len());
    }

    fn has_written(&mut self, _: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &done {
            Poll::Ready(Ok(bytes)) => {
                self.account.record_progress();
                self.account.count_bytes(*bytes);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.account.record_unread(self.caller_write),
        }
        done
    }
}
