//! Limits waits without a timer per request. Each connection has one deadline that says what it waits for and until when; a sweep
//! every second wakes those whose deadline has expired.

use crate::proxy::limits::TICK;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::Duration;

use super::memory::Account;
use crate::clock::Moment;

/// What a connection waits for. An HTTP/1 connection waits for one thing at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waiting {
    /// Nothing that has a limit.
    Nothing,
    NextRequest,
    RequestHead,
    RequestBody,
    ResponseHead,
}

/// The deadline of one connection or stream.
#[derive(Debug)]
pub(crate) struct Deadline {
    waiting: Cell<Waiting>,
    until: Cell<Moment>,
    is_expired: Cell<bool>,
    quiet: Cell<bool>,
    bodies: Cell<u32>,
    /// The memory account of the connection.
    pub(crate) account: Rc<Account>,
    waker: RefCell<Option<Waker>>,
    coarse: Rc<Cell<Moment>>,
}

impl Deadline {
    /// Starts a wait of at most `limit`. Reads no clock: it adds a tick to the time of the last sweep, so it never ends early.
    pub(crate) fn wait(&self, what: Waiting, limit: Duration) {
        self.wait_until(what, self.coarse.get() + TICK + limit);
    }

    pub(crate) fn wait_until(&self, what: Waiting, end: Moment) {
        self.waiting.set(what);
        self.until.set(end);
        self.is_expired.set(false);
        self.quiet.set(false);
    }

    /// Ends the wait.
    pub(crate) fn clear(&self) {
        self.waiting.set(Waiting::Nothing);
        self.is_expired.set(false);
    }

    /// Counts a request body that is being read.
    pub(crate) fn body_begins(&self) {
        self.bodies.set(self.bodies.get().saturating_add(1));
    }

    pub(crate) fn body_ends(&self) {
        self.bodies.set(self.bodies.get().saturating_sub(1));
    }

    /// Whether no request is in flight. Bodies count separately, since an upstream may respond before it has read the whole body.
    pub(crate) fn is_free(&self) -> bool {
        self.waiting.get() == Waiting::NextRequest && self.bodies.get() == 0
    }

    /// Whether the connection has waited for its next request since before the last sweep.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet.get()
    }

    pub(crate) fn waiting(&self) -> Waiting {
        self.waiting.get()
    }

    /// What the expired wait was for.
    pub(crate) fn expired(&self) -> Option<Waiting> {
        self.is_expired.get().then(|| self.waiting.get())
    }

    /// Registers the task to wake.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if known.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Expires a wait for a request head early.
    fn expire_early(&self) {
        if matches!(self.waiting.get(), Waiting::NextRequest | Waiting::RequestHead) && !self.is_expired.replace(true) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    fn sweep(&self, now: Moment) {
        if self.waiting.get() != Waiting::Nothing && !self.is_expired.get() && now >= self.until.get() {
            self.is_expired.set(true);
            self.wake();
        } else if self.is_free() && !self.quiet.replace(true) {
            self.wake();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Deadlines {
    deadlines: RefCell<Vec<Weak<Deadline>>>,
    accounts: RefCell<Vec<Weak<Account>>>,
    coarse: Rc<Cell<Moment>>,
}

impl Deadlines {
    pub(crate) fn new(now: Moment) -> Self {
        Self { deadlines: RefCell::default(), accounts: RefCell::default(), coarse: Rc::new(Cell::new(now)) }
    }

    /// Creates the deadline of a connection. It is forgotten once its last holder drops it.
    pub(crate) fn deadline(&self) -> Rc<Deadline> {
        let account = Account::new(self.coarse.clone());
        self.accounts.borrow_mut().push(Rc::downgrade(&account));
        self.deadline_of(account)
    }

    /// Creates the deadline of a stream, with its connection's account.
    pub(crate) fn deadline_of(&self, account: Rc<Account>) -> Rc<Deadline> {
        let deadline = Rc::new(Deadline {
            waiting: Cell::new(Waiting::Nothing),
            until: Cell::new(self.coarse.get()),
            is_expired: Cell::new(false),
            quiet: Cell::new(false),
            bodies: Cell::new(0),
            account,
            waker: RefCell::default(),
            coarse: self.coarse.clone(),
        });
        self.deadlines.borrow_mut().push(Rc::downgrade(&deadline));
        deadline
    }

    /// Sets the time from which waits are measured.
    pub(crate) fn set_time(&self, now: Moment) {
        self.coarse.set(now);
    }

    /// Wakes tasks whose deadline has expired, and forgets dropped deadlines.
    pub(crate) fn sweep(&self, now: Moment) {
        self.coarse.set(now);
        self.each(|deadline| deadline.sweep(now));
        self.accounts().iter().for_each(|account| account.sweep(now));
    }

    /// The memory account of every connection.
    pub(crate) fn accounts(&self) -> Vec<Rc<Account>> {
        let mut accounts = self.accounts.borrow_mut();
        accounts.retain(|account| account.strong_count() > 0);
        accounts.iter().filter_map(Weak::upgrade).collect()
    }

    /// Wakes every connection, so that it looks at the state of the process again.
    pub(crate) fn wake_all(&self) {
        self.each(Deadline::wake);
    }

    /// Expires all waits for a request or the rest of its head.
    pub(crate) fn expire_all_early(&self) {
        self.each(Deadline::expire_early);
    }

    fn each(&self, act: impl Fn(&Deadline)) {
        self.deadlines.borrow_mut().retain(|deadline| {
            let deadline = deadline.upgrade();
            deadline.inspect(|deadline| act(deadline)).is_some()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_deadline_expires_at_its_limit_and_never_before() {
        let deadlines = Deadlines::new(at(0));
        let deadline = deadlines.deadline();
        deadline.wait_until(Waiting::RequestBody, at(1500));
        deadlines.sweep(at(1499));
        assert_eq!(deadline.expired(), None);
        deadlines.sweep(at(1500));
        assert_eq!(deadline.expired(), Some(Waiting::RequestBody));
        deadline.wait(Waiting::ResponseHead, Duration::from_secs(1));
        assert_eq!(deadline.expired(), None);
        deadlines.sweep(at(3499));
        assert_eq!(deadline.expired(), None);
        deadline.clear();
        deadlines.sweep(at(9999));
        assert_eq!(deadline.expired(), None);
    }

    #[test]
    fn a_dropped_deadline_is_forgotten() {
        let deadlines = Deadlines::new(at(0));
        let (kept, dropped) = (deadlines.deadline(), deadlines.deadline());
        drop(dropped);
        deadlines.sweep(at(1));
        assert_eq!(deadlines.deadlines.borrow().len(), 1);
        drop(kept);
    }
}
