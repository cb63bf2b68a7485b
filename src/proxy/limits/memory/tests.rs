use std::time::Duration;

use super::*;

const MEBIBYTE: i64 = 1 << 20;

struct Stage {
    memory: Rc<Memory>,
    used: Rc<Cell<i64>>,
    coarse: Rc<Cell<Moment>>,
}

impl Stage {
    /// A budget of 8 MiB: tight from 5, scarce from 7.
    fn new() -> Self {
        let used = Rc::new(Cell::new(0));
        let mut memory = Memory::new(8 << 20);
        memory.meter = Meter::Given(used.clone());
        Self { memory: Rc::new(memory), used, coarse: Rc::new(Cell::new(at(0))) }
    }

    /// An account of one whose tasks have taken so much.
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
fn the_fuller_it_is_the_less_one_may_hold_to_be_served() {
    let stage = Stage::new();
    let (none, some, much) = (stage.holding(0), stage.holding(LITTLE), stage.holding(MUCH));
    for (mebibytes, allowed) in
        [(1, [true, true, true]), (5, [true, true, false]), (7, [true, false, false]), (9, [true, false, false])]
    {
        stage.used.set(mebibytes * MEBIBYTE);
        let allows = [&none, &some, &much].map(|account| stage.memory.allows(account));
        assert_eq!(allows, allowed, "{mebibytes} MiB of 8");
    }
}

#[test]
fn where_it_is_tight_those_who_stand_still_are_cut_off_the_greatest_first_and_no_more_than_need_be() {
    let stage = Stage::new();
    let (great, greater, still_small) =
        (stage.holding(2 * MEBIBYTE), stage.holding(3 * MEBIBYTE), stage.holding(LITTLE - 1));
    let moving = stage.holding(MEBIBYTE);
    assert_eq!(stage.cut(&[&great, &greater, &moving], 1), [false; 3], "nobody has stood still for long");
    stage.coarse.set(at(2));
    moving.record_progress();
    assert_eq!(stage.cut(&[&great, &greater, &moving, &still_small], 2), [false, true, false, false]);
    stage.used.set(4 * MEBIBYTE);
    assert_eq!(stage.cut(&[&great], 9), [false], "it is not tight any more");
}

#[test]
fn where_it_is_used_up_whoever_holds_most_is_cut_off() {
    let stage = Stage::new();
    let (less, most) = (stage.holding(2 * MEBIBYTE), stage.holding(6 * MEBIBYTE));
    assert_eq!(stage.cut(&[&less, &most], 0), [false, true]);
}

#[test]
fn a_caller_that_reads_nothing_of_its_answer_is_cut_off_in_time_and_not_before() {
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
fn one_that_was_answered_and_moves_little_goes_first() {
    let account = Stage::new().holding(0);
    assert!(!account.is_light(), "it is new");
    account.establish();
    assert!(account.is_light());
    account.carried(LIGHT_BYTES);
    assert!(!account.is_light(), "it moves much");
    account.sweep(at(1));
    assert!(account.is_light(), "that was before");
}

#[test]
fn a_turn_ends_after_so_many_bytes() {
    let stage = Stage::new();
    let account = stage.holding(0);
    let turn = || account.poll_turn(&Context::from_waker(Waker::noop())).is_ready();
    account.begin_turn(0);
    account.carried(TURN_BYTES - 1);
    assert!(turn());
    account.carried(1);
    assert!(!turn());
    account.begin_turn(0);
    assert!(turn(), "the next turn");
}

#[test]
fn who_paused_is_woken_once() {
    let stage = Stage::new();
    stage.memory.pause(Waker::noop());
    assert!(stage.memory.resume() && !stage.memory.resume());
}
