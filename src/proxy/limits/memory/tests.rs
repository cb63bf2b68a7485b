use std::time::Duration;

use super::*;

const MEBIBYTE: i64 = 1 << 20;

struct Stage {
    memory: Rc<Memory>,
    used: Rc<Cell<i64>>,
    coarse: Rc<Cell<Moment>>,
}

impl Stage {
    /// A limit of 8 MiB: tight from 5 MiB, scarce from 7 MiB.
    fn new() -> Self {
        let used = Rc::new(Cell::new(0));
        let mut memory = Memory::new(8 << 20);
        memory.meter = Meter::Given(used.clone());
        Self { memory: Rc::new(memory), used, coarse: Rc::new(Cell::new(at(0))) }
    }

    /// An account whose tasks have allocated this much.
    fn holding(&self, bytes: i64) -> Rc<Account> {
        let account = Account::new(self.coarse.clone());
        account.begin_turn(self.memory.balance());
        self.used.set(self.used.get() + bytes);
        account.end_turn(self.memory.balance());
        account
    }

    fn cut(&self, accounts: &[&Rc<Account>], seconds: u64) -> Vec<bool> {
        self.memory.shed(accounts.iter().copied().cloned().collect(), at(seconds));
        accounts.iter().map(|account| account.is_cut()).collect()
    }
}

fn at(seconds: u64) -> Moment {
    Moment::from_start(Duration::from_secs(seconds))
}

#[test]
fn the_scarcer_memory_is_the_less_a_caller_may_hold() {
    let stage = Stage::new();
    let (none, some, much) = (stage.holding(0), stage.holding(SCARCE_SHARE), stage.holding(TIGHT_SHARE));
    for (mebibytes, allowed) in
        [(1, [true, true, true]), (5, [true, true, false]), (7, [true, false, false]), (9, [true, false, false])]
    {
        stage.used.set(mebibytes * MEBIBYTE);
        let allows = [&none, &some, &much].map(|account| stage.memory.allows(account));
        assert_eq!(allows, allowed, "{mebibytes} MiB of 8");
    }
}

#[test]
fn tight_memory_cuts_off_stalled_callers_largest_first_and_no_more_than_needed() {
    let stage = Stage::new();
    let (great, greater, still_small) =
        (stage.holding(2 * MEBIBYTE), stage.holding(3 * MEBIBYTE), stage.holding(SCARCE_SHARE - 1));
    let moving = stage.holding(MEBIBYTE);
    assert_eq!(stage.cut(&[&great, &greater, &moving], 1), [false; 3], "none has stalled for long enough");
    stage.coarse.set(at(2));
    moving.record_progress();
    assert_eq!(stage.cut(&[&great, &greater, &moving, &still_small], 2), [false, true, false, false]);
    stage.used.set(4 * MEBIBYTE);
    assert_eq!(stage.cut(&[&great], 9), [false], "it is not tight any more");
}

#[test]
fn exhausted_memory_cuts_off_the_largest_caller() {
    let stage = Stage::new();
    let (less, most) = (stage.holding(2 * MEBIBYTE), stage.holding(6 * MEBIBYTE));
    assert_eq!(stage.cut(&[&less, &most], 0), [false, true]);
}

#[test]
fn a_caller_that_does_not_read_is_cut_off_at_the_limit_and_not_before() {
    let stage = Stage::new();
    let account = stage.holding(0);
    account.record_unread(Duration::from_secs(60));
    account.record_unread(Duration::from_secs(90));
    account.sweep(at(60));
    assert!(!account.is_cut());
    account.record_progress();
    account.sweep(at(99));
    assert!(!account.is_cut(), "it has read");
    stage.coarse.set(at(99));
    account.record_unread(Duration::from_secs(60));
    account.sweep(at(160));
    assert!(account.is_cut());
}

#[test]
fn an_established_connection_with_little_traffic_is_light() {
    let account = Stage::new().holding(0);
    assert!(!account.is_light(), "it is new");
    account.establish();
    assert!(account.is_light());
    account.count_bytes(LIGHT_BYTES);
    assert!(!account.is_light(), "it moves much");
    account.sweep(at(1));
    assert!(account.is_light(), "that was before");
}

#[test]
fn a_turn_ends_after_its_bytes() {
    let stage = Stage::new();
    let account = stage.holding(0);
    let turn = || account.poll_turn(&Context::from_waker(Waker::noop())).is_ready();
    account.begin_turn(0);
    account.count_bytes(TURN_BYTES - 1);
    assert!(turn());
    account.count_bytes(1);
    assert!(!turn());
    account.begin_turn(0);
    assert!(turn(), "the next turn");
}

#[test]
fn a_paused_caller_is_woken_once() {
    let stage = Stage::new();
    stage.memory.pause(Waker::noop());
    assert!(stage.memory.resume() && !stage.memory.resume());
}
