//! One budget for all that callers and upstreams can make grow: heads, buffers, bodies, windows of HTTP/2, tables of HPACK.
//!
//! Nothing is estimated: the allocator counts what this thread holds, and what is taken or freed while a caller's tasks
//! run is written to that caller's [`Account`]. The fuller the budget, the less a caller may hold and still be read from;
//! those with little never notice. When that does not suffice, whoever holds most and makes no progress is cut off, and
//! where the budget is used up, whoever holds most.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::turns::{LIGHT_BYTES, TURN_BYTES};
use crate::allocator::{self, ThreadMeter};
use crate::clock::Moment;

/// What a caller may hold where the budget is tight, and where little of it is left. A connection that carries one small
/// request at a time holds less: hyper's buffer and its table of a head's lines.
const MUCH: i64 = 64 << 10;
const LITTLE: i64 = 32 << 10;

/// Where the numbers come from.
enum Meter {
    Thread(ThreadMeter),
    /// A platform without them, or a test.
    Given(Rc<Cell<i64>>),
}

/// The budget.
pub(crate) struct Memory {
    most: u64,
    /// From here on it is tight.
    tight: u64,
    /// From here on little is left.
    scarce: u64,
    meter: Meter,
    /// What all threads hold, less what this one holds by its meter, as of the last look.
    others: Cell<i64>,
    /// Callers that are not read from meanwhile.
    paused: RefCell<Vec<Waker>>,
    /// It is tight.
    pub(crate) pressure: Notify,
}

impl Memory {
    /// So many bytes at most, for the thread that asks.
    pub(crate) fn new(most: u64) -> Self {
        let meter = ThreadMeter::new().map_or_else(|| Meter::Given(Rc::default()), Meter::Thread);
        let (tight, scarce) = ((most / 8).saturating_mul(5), (most / 8).saturating_mul(7));
        Self { most, tight, scarce, meter, others: Cell::new(0), paused: RefCell::default(), pressure: Notify::new() }
    }

    /// What this thread has taken and not freed.
    pub(crate) fn balance(&self) -> i64 {
        match &self.meter {
            Meter::Thread(meter) => meter.balance(),
            Meter::Given(bytes) => bytes.get(),
        }
    }

    /// How much is in use.
    pub(crate) fn used(&self) -> u64 {
        u64::try_from(self.balance().saturating_add(self.others.get())).unwrap_or(0)
    }

    /// Looks at what other threads hold, and at what this one has freed for them.
    pub(crate) fn look(&self) {
        if let (Meter::Thread(meter), Some(all)) = (&self.meter, allocator::in_use()) {
            self.others.set(i64::try_from(all).unwrap_or(i64::MAX).saturating_sub(meter.balance()));
        }
    }

    /// Whether so much is in use that nobody should keep what can be done without.
    pub(crate) fn is_tight(&self) -> bool {
        let tight = self.used() >= self.tight;
        if tight {
            self.pressure.notify_one();
        }
        tight
    }

    /// Whether a caller that holds so much may make it more.
    pub(crate) fn allows(&self, account: &Account) -> bool {
        if !self.is_tight() {
            return true;
        }
        let (held, used) = (account.held(self.balance()), self.used());
        held < if used < self.scarce { MUCH } else { LITTLE }
    }

    /// Wakes this caller when there may be room again.
    pub(crate) fn pause(&self, waker: &Waker) {
        self.paused.borrow_mut().push(waker.clone());
    }

    /// Wakes those who paused: they ask again. False if nobody did.
    pub(crate) fn resume(&self) -> bool {
        let paused = self.paused.take();
        paused.iter().for_each(Waker::wake_by_ref);
        !paused.is_empty()
    }

    /// Chooses who is cut off, so that it is tight no more.
    pub(crate) fn shed(&self, mut accounts: Vec<Rc<Account>>, now: Moment) -> usize {
        let used = self.used();
        let mut excess = i64::try_from(used.saturating_sub(self.tight)).unwrap_or(i64::MAX);
        let all = used >= self.most;
        accounts.retain(|account| account.bytes.get() >= MUCH && (all || account.has_stalled(now)));
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

/// What one caller's connection holds, and whether anything goes on there.
#[derive(Debug)]
pub(crate) struct Account {
    bytes: Cell<i64>,
    /// What the thread held when the task that runs now began to.
    began: Cell<Option<i64>>,
    moved: Cell<Moment>,
    unread: Cell<Option<Moment>>,
    cut: Cell<bool>,
    /// How much more may be read and written in this poll, and how much has been since the last sweep.
    turn_left: Cell<usize>,
    recently: Cell<usize>,
    established: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    coarse: Rc<Cell<Moment>>,
}

/// How long a caller may hold much and neither take nor bring anything.
const STALLED: std::time::Duration = std::time::Duration::from_secs(2);

impl Account {
    /// Nothing is held yet. `coarse` is the time of the last sweep.
    pub(crate) fn new(coarse: Rc<Cell<Moment>>) -> Rc<Self> {
        let (bytes, began, unread, cut, recently, established, waker) = Default::default();
        let (moved, turn_left) = (Cell::new(coarse.get()), Cell::new(TURN_BYTES));
        Rc::new(Self { bytes, began, moved, unread, cut, turn_left, recently, established, waker, coarse })
    }

    fn held(&self, balance: i64) -> i64 {
        let since = self.began.get().map_or(0, |began| balance.saturating_sub(began));
        self.bytes.get().saturating_add(since)
    }

    /// Something was passed on.
    pub(crate) fn record_progress(&self) {
        self.moved.set(self.coarse.get());
        self.unread.set(None);
    }

    /// The caller does not read: it may do so until a tick and this much later.
    pub(crate) fn record_unread(&self, limit: std::time::Duration) {
        if self.unread.get().is_none() {
            self.unread.set(Some(self.coarse.get() + super::TICK + limit));
        }
    }

    /// So much was read from the caller, or written to it.
    pub(crate) fn carried(&self, bytes: usize) {
        self.turn_left.set(self.turn_left.get().saturating_sub(bytes));
        self.recently.set(self.recently.get().saturating_add(bytes));
    }

    /// Ready when the caller may be read from, or written to, in this poll; else others run first.
    pub(crate) fn poll_turn(&self, cx: &Context<'_>) -> Poll<()> {
        if self.turn_left.get() > 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// A request of the caller's was answered.
    pub(crate) fn establish(&self) {
        self.established.set(true);
    }

    /// Whether it runs as soon as it is woken.
    pub(super) fn is_light(&self) -> bool {
        self.established.get() && self.recently.get() < LIGHT_BYTES
    }

    /// Nothing is in flight: what was taken has gone to others, as a connection that went back to the pool.
    pub(crate) fn settle(&self, memory: &Memory) {
        self.bytes.set(0);
        self.began.set(self.began.get().map(|_| memory.balance()));
    }

    /// A task of the caller's begins to run; `balance` is what its thread holds.
    pub(super) fn begin_turn(&self, balance: i64) {
        self.turn_left.set(TURN_BYTES);
        self.began.set(Some(balance));
    }

    /// It has run.
    pub(super) fn end_turn(&self, balance: i64) {
        self.bytes.set(self.held(balance));
        self.began.set(None);
    }

    /// Whether the connection is to end at once.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Ends the connection at once.
    pub(super) fn cut_off(&self) {
        self.cut.set(true);
        self.waker.borrow().iter().for_each(Waker::wake_by_ref);
    }

    /// Remembers whom to wake.
    pub(super) fn register(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if known.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// A second has passed.
    pub(crate) fn sweep(&self, now: Moment) {
        self.recently.set(0);
        if self.unread.get().is_some_and(|until| now >= until) && !self.cut.get() {
            self.cut_off();
        }
    }

    fn has_stalled(&self, now: Moment) -> bool {
        now.since(self.moved.get()) >= STALLED
    }
}

#[cfg(test)]
mod tests;
