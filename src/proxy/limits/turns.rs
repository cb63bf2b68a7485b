//! Schedules the connections of callers.
//!
//! tokio runs tasks in the order in which they were woken. A small request would wait behind hundreds of connections that are new
//! or copy megabytes. Those take turns instead: a few may run between two polls of the sockets, and each does little per turn.
//! All other connections run as soon as they are woken.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

/// How many turns there are between two polls of the sockets.
const TURNS: usize = 4;

/// How much a connection may read and write in one poll: about 30 µs of copying, or a thousand HPACK fields.
pub(super) const TURN_BYTES: usize = 64 << 10;

/// A connection that reads and writes more than this between two sweeps has to take turns. Small requests at full speed
/// stay below it.
pub(super) const LIGHT_BYTES: usize = 16 << 20;

/// The scheduler of a data thread.
pub(crate) struct Turns {
    left: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Ticket>>>,
    wanted: Notify,
}

/// A task's place in the queue.
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
    /// Ready when the task may run, otherwise registers it to be woken. Creates a ticket for a task that has to wait.
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

    /// Takes a free turn, unless another task is waiting for one.
    fn take(&self) -> bool {
        let left = self.left.get().checked_sub(1).filter(|_| self.waiting.borrow().is_empty());
        self.left.set(left.unwrap_or(0));
        if self.left.get() == 0 {
            self.wanted.notify_one();
        }
        left.is_some()
    }

    /// Gives out turns for ever, as they are needed.
    pub(crate) async fn give(&self) {
        loop {
            self.wanted.notified().await;
            loop {
                // Lets the runtime poll the sockets, so that tasks woken by them run first.
                tokio::task::yield_now().await;
                if !self.give_some() {
                    break;
                }
            }
        }
    }

    /// Gives turns to the tasks that have waited longest; returns false if none is left waiting.
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
    fn a_few_tasks_run_at_once_and_the_rest_in_order_of_arrival() {
        let turns = Turns::default();
        let mut tickets: Vec<_> = (0..3 * TURNS).map(|_| None).collect();
        let mut ran: Vec<usize> = Vec::new();
        let each = |ran: &mut Vec<usize>, tickets: &mut Vec<Option<Rc<Ticket>>>| {
            let numbers = (0..tickets.len()).filter(|number| !ran.contains(number)).collect::<Vec<_>>();
            ran.extend(numbers.into_iter().filter(|number| wants(&turns, &mut tickets[*number])));
        };
        for count in [TURNS, 2 * TURNS, 3 * TURNS] {
            each(&mut ran, &mut tickets);
            each(&mut ran, &mut tickets);
            assert_eq!(ran, (0..count).collect::<Vec<_>>());
            turns.give_some();
        }
        assert!(!turns.give_some(), "no task is waiting");
    }

    #[tokio::test]
    async fn waiting_tasks_are_woken_for_their_turn() {
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
