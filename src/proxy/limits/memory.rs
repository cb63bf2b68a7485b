//! One limit for all memory that callers and upstreams can make grow: heads, buffers, bodies, HTTP/2 windows, HPACK tables.
//!
//! Nothing is estimated. The allocator counts what this thread holds, and what is allocated or freed while a caller's tasks run
//! is charged to that caller's [`Account`]. The scarcer memory is, the less a caller may hold before reading from it pauses;
//! callers that hold little are not affected. If that is not enough, the callers that hold most and make no progress are cut off,
//! and at the limit those that hold most in any case.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::turns::{LIGHT_BYTES, TURN_BYTES};
use crate::allocator::{self, ThreadMeter};
use crate::clock::Moment;

/// What a caller may hold while memory is tight, and while it is scarce. A connection with one small request at a time holds
/// less: hyper's buffer and its table of header lines.
const TIGHT_SHARE: i64 = 64 << 10;
const SCARCE_SHARE: i64 = 32 << 10;

/// The source of the numbers.
enum Meter {
    Thread(ThreadMeter),
    /// On platforms without a counting allocator, and in tests.
    Given(Rc<Cell<i64>>),
}

/// The memory limit.
pub(crate) struct Memory {
    most: u64,
    /// The use from which memory is tight.
    tight: u64,
    /// The use from which it is scarce.
    scarce: u64,
    meter: Meter,
    /// What all threads hold less this thread's balance, as of the last look.
    others: Cell<i64>,
    /// Callers that are not read from for now.
    paused: RefCell<Vec<Waker>>,
    /// Notified while memory is tight.
    pub(crate) pressure: Notify,
}

impl Memory {
    /// Creates a limit for the calling thread.
    pub(crate) fn new(most: u64) -> Self {
        let meter = ThreadMeter::new().map_or_else(|| Meter::Given(Rc::default()), Meter::Thread);
        let (tight, scarce) = ((most / 8).saturating_mul(5), (most / 8).saturating_mul(7));
        Self { most, tight, scarce, meter, others: Cell::new(0), paused: RefCell::default(), pressure: Notify::new() }
    }

    /// What this thread has allocated and not freed.
    pub(crate) fn balance(&self) -> i64 {
        match &self.meter {
            Meter::Thread(meter) => meter.balance(),
            Meter::Given(bytes) => bytes.get(),
        }
    }

    pub(crate) fn used(&self) -> u64 {
        u64::try_from(self.balance().saturating_add(self.others.get())).unwrap_or(0)
    }

    /// Updates what other threads hold.
    pub(crate) fn look(&self) {
        if let (Meter::Thread(meter), Some(all)) = (&self.meter, allocator::in_use()) {
            self.others.set(i64::try_from(all).unwrap_or(i64::MAX).saturating_sub(meter.balance()));
        }
    }

    /// Whether memory is tight: then nothing optional should be kept.
    pub(crate) fn is_tight(&self) -> bool {
        let tight = self.used() >= self.tight;
        if tight {
            self.pressure.notify_one();
        }
        tight
    }

    /// Whether a caller may hold more than it does.
    pub(crate) fn allows(&self, account: &Account) -> bool {
        if !self.is_tight() {
            return true;
        }
        let (held, used) = (account.held(self.balance()), self.used());
        held < if used < self.scarce { TIGHT_SHARE } else { SCARCE_SHARE }
    }

    /// Wakes this task once there may be room again.
    pub(crate) fn pause(&self, waker: &Waker) {
        self.paused.borrow_mut().push(waker.clone());
    }

    /// Wakes the paused callers, which check again. Returns false if there are none.
    pub(crate) fn resume(&self) -> bool {
        let paused = self.paused.take();
        paused.iter().for_each(Waker::wake_by_ref);
        !paused.is_empty()
    }

    /// Cuts off connections until memory would no longer be tight. Returns how many.
    pub(crate) fn shed(&self, mut accounts: Vec<Rc<Account>>, now: Moment) -> usize {
        let used = self.used();
        let mut excess = i64::try_from(used.saturating_sub(self.tight)).unwrap_or(i64::MAX);
        let all = used >= self.most;
        accounts.retain(|account| account.bytes.get() >= TIGHT_SHARE && (all || account.has_stalled(now)));
        accounts.sort_unstable_by_key(|account| std::cmp::Reverse(account.bytes.get()));
        let mut cut: usize = 0;
        for account in accounts {
            if excess <= 0 {
                break;
            }
            excess = excess.saturating_sub(account.bytes.get());
            account.cut_off();
            cut = cut.saturating_add(1);
        }
        cut
    }
}

/// What one caller's connection holds, and whether it makes progress.
#[derive(Debug)]
pub(crate) struct Account {
    bytes: Cell<i64>,
    /// The thread's balance at the start of the current poll.
    began: Cell<Option<i64>>,
    progressed: Cell<Moment>,
    unread: Cell<Option<Moment>>,
    cut: Cell<bool>,
    /// How many bytes may still be read and written in this poll, and how many have been since the last sweep.
    turn_left: Cell<usize>,
    recently: Cell<usize>,
    established: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    coarse: Rc<Cell<Moment>>,
}

/// How long a caller that holds much may make no progress.
const STALLED: std::time::Duration = std::time::Duration::from_secs(2);

impl Account {
    /// Creates an account that holds nothing. `coarse` is the time of the last sweep.
    pub(crate) fn new(coarse: Rc<Cell<Moment>>) -> Rc<Self> {
        let (bytes, began, unread, cut, recently, established, waker) = Default::default();
        let (progressed, turn_left) = (Cell::new(coarse.get()), Cell::new(TURN_BYTES));
        Rc::new(Self { bytes, began, progressed, unread, cut, turn_left, recently, established, waker, coarse })
    }

    fn held(&self, balance: i64) -> i64 {
        let since = self.began.get().map_or(0, |began| balance.saturating_sub(began));
        self.bytes.get().saturating_add(since)
    }

    /// Records that bytes were passed on.
    pub(crate) fn record_progress(&self) {
        self.progressed.set(self.coarse.get());
        self.unread.set(None);
    }

    /// Records that the caller does not read. It is cut off if that lasts for `limit` and a tick.
    pub(crate) fn record_unread(&self, limit: std::time::Duration) {
        if self.unread.get().is_none() {
            self.unread.set(Some(self.coarse.get() + super::TICK + limit));
        }
    }

    /// Records bytes that were read from the caller or written to it.
    pub(crate) fn count_bytes(&self, bytes: usize) {
        self.turn_left.set(self.turn_left.get().saturating_sub(bytes));
        self.recently.set(self.recently.get().saturating_add(bytes));
    }

    /// Ready if the caller may be read or written in this poll; otherwise yields to other tasks.
    pub(crate) fn poll_turn(&self, cx: &Context<'_>) -> Poll<()> {
        if self.turn_left.get() > 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Records that a request has had a response.
    pub(crate) fn establish(&self) {
        self.established.set(true);
    }

    /// Whether the connection's tasks run as soon as they are woken.
    pub(super) fn is_light(&self) -> bool {
        self.established.get() && self.recently.get() < LIGHT_BYTES
    }

    /// Resets the account when nothing is in flight: what is still allocated belongs to something else, such as a pooled
    /// connection.
    pub(crate) fn reset(&self, memory: &Memory) {
        self.bytes.set(0);
        self.began.set(self.began.get().map(|_| memory.balance()));
    }

    /// Begins to charge a task's allocations. `balance` is what its thread holds.
    pub(super) fn begin_turn(&self, balance: i64) {
        self.turn_left.set(TURN_BYTES);
        self.began.set(Some(balance));
    }

    /// Ends it.
    pub(super) fn end_turn(&self, balance: i64) {
        self.bytes.set(self.held(balance));
        self.began.set(None);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.get()
    }

    pub(super) fn cut_off(&self) {
        self.cut.set(true);
        self.waker.borrow().iter().for_each(Waker::wake_by_ref);
    }

    /// Registers the task to wake.
    pub(super) fn register(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if known.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Does the work of each tick.
    pub(crate) fn sweep(&self, now: Moment) {
        self.recently.set(0);
        if self.unread.get().is_some_and(|until| now >= until) && !self.cut.get() {
            self.cut_off();
        }
    }

    fn has_stalled(&self, now: Moment) -> bool {
        now.since(self.progressed.get()) >= STALLED
    }
}

#[cfg(test)]
mod tests;
