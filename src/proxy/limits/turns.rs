//! Who goes first where many want to.
//!
//! tokio runs tasks in the order in which they were woken. A caller with a small request would wait behind four hundred
//! connections that are new or copy megabytes. So those take turns: a few of them between two looks at the sockets, and
//! little in each turn. All other connections run as soon as they are woken.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

/// How many turns are given between two looks at the sockets.
const TURNS: usize = 4;

/// How much a connection may read and write in one poll before others run: some 30 µs of copying, or a thousand fields of
/// HPACK.
pub(super) const TURN_BYTES: usize = 64 << 10;

/// A connection that reads and writes more than this between two sweeps takes turns. Small requests at full speed stay below
/// it.
pub(super) const LIGHT_BYTES: usize = 4 << 20;

/// The turns of a data thread.
pub(crate) struct Turns {
    left: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Ticket>>>,
    wanted: Notify,
}

/// One task's place in the queue.
#[derive(Default)]
pub(super) struct Ticket {
    state: Cell<TicketState>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Default)]
enum TicketState {
    #[default]
    Unused,
    Waiting,
    Granted,
}

impl Default for Turns {
    fn default() -> Self {
        Self { left: Cell::new(TURNS), waiting: RefCell::default(), wanted: Notify::new() }
    }
}

impl Turns {
    /// Ready when a task may run; it is woken when it may. A ticket is made for a task that has to wait.
    pub(super) fn poll_turn(&self, ticket: &mut Option<Rc<Ticket>>, cx: &Context<'_>) -> Poll<()> {
        match ticket.as_ref().map_or(TicketState::Unused, |ticket| ticket.state.replace(TicketState::Unused)) {
            TicketState::Granted => return Poll::Ready(()),
            TicketState::Unused if self.take() => return Poll::Ready(()),
            TicketState::Unused => self.waiting.borrow_mut().push_back(ticket.get_or_insert_default().clone()),
            TicketState::Waiting => {}
        }
        let ticket = ticket.get_or_insert_default();
        ticket.state.set(TicketState::Waiting);
        ticket.waker.replace(Some(cx.waker().clone()));
        self.wanted.notify_one();
        Poll::Pending
    }

    /// Takes one of the turns that are left, unless somebody waits for it.
    fn take(&self) -> bool {
        let left = self.left.get().checked_sub(1).filter(|_| self.waiting.borrow().is_empty());
        self.left.set(left.unwrap_or(0));
        if self.left.get() == 0 {
            self.wanted.notify_one();
        }
        left.is_some()
    }

    /// Gives out turns for ever, whenever they are wanted.
    pub(crate) async fn give(&self) {
        loop {
            self.wanted.notified().await;
            loop {
                // The sockets are looked at, and what they wake runs first.
                tokio::task::yield_now().await;
                if !self.give_some() {
                    break;
                }
            }
        }
    }

    /// Gives the next turns to those who wait longest; false if nobody is left who waits.
    fn give_some(&self) -> bool {
        self.left.set(TURNS);
        while self.left.get() > 0 {
            let Some(ticket) = self.waiting.borrow_mut().pop_front() else { return false };
            self.left.set(self.left.get().saturating_sub(1));
            ticket.state.set(TicketState::Granted);
            if let Some(waker) = ticket.waker.take() {
                waker.wake();
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(turns: &Turns, ticket: &mut Option<Rc<Ticket>>) -> bool {
        turns.poll_turn(ticket, &Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_few_run_at_once_and_the_others_in_the_order_in_which_they_came() {
        let turns = Turns::default();
        let mut tickets: Vec<_> = (0..3 * TURNS).map(|_| None).collect();
        let mut ran: Vec<usize> = Vec::new();
        let each = |ran: &mut Vec<usize>, tickets: &mut Vec<Option<Rc<Ticket>>>| {
            let numbers = (0..tickets.len()).filter(|number| !ran.contains(number)).collect::<Vec<_>>();
            ran.extend(numbers.into_iter().filter(|number| wants(&turns, &mut tickets[*number])));
        };
        for so_many in [TURNS, 2 * TURNS, 3 * TURNS] {
            each(&mut ran, &mut tickets);
            each(&mut ran, &mut tickets);
            assert_eq!(ran, (0..so_many).collect::<Vec<_>>());
            turns.give_some();
        }
        assert!(!turns.give_some(), "nobody waits");
    }

    #[tokio::test]
    async fn a_turn_comes_without_being_asked_for_again() {
        let turns = Turns::default();
        let all = async {
            for _ in 0..10 * TURNS {
                let mut ticket = None;
                std::future::poll_fn(|cx| turns.poll_turn(&mut ticket, cx)).await;
            }
        };
        tokio::select! {
            () = all => {}
            () = turns.give() => {}
        }
    }
}
