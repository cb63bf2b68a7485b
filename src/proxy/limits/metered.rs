//! Charges the tasks of callers' connections to the account of their connection.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::limiter::Limiter;
use super::memory::Account;
use super::turns::Ticket;

/// A task of a caller's connection. Its allocations are charged to the connection's account, and it runs when the scheduler lets
/// it.
pub(crate) struct Metered<F> {
    task: Pin<Box<F>>,
    limiter: Rc<Limiter>,
    account: Rc<Account>,
    ticket: Option<Rc<Ticket>>,
    is_stream: bool,
}

impl<F> Metered<F> {
    /// The task of a connection. It ends when the connection is cut off.
    pub(crate) fn connection(task: F, limiter: Rc<Limiter>, account: Rc<Account>) -> Self {
        Self { task: Box::pin(task), limiter, account, ticket: None, is_stream: false }
    }

    /// The task of a stream.
    pub(crate) fn stream(task: F, limiter: Rc<Limiter>, account: Rc<Account>) -> Self {
        Self { task: Box::pin(task), limiter, account, ticket: None, is_stream: true }
    }
}

impl<F: Future<Output = ()>> Future for Metered<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { task, limiter, account, ticket, is_stream } = self.get_mut();
        if account.is_cut() {
            return Poll::Ready(());
        }
        if !*is_stream {
            account.register(cx.waker());
        }
        if !account.is_light() {
            ready!(limiter.turns.poll_turn(ticket, cx));
        }
        account.begin_turn(limiter.memory.balance());
        let done = task.as_mut().poll(cx);
        account.end_turn(limiter.memory.balance());
        done
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::clock::{Moment, SystemClock};
    use crate::proxy::settings::Bounds;

    #[test]
    fn a_connection_that_is_cut_off_ends() {
        let limiter = Limiter::new(Bounds::default(), Arc::default(), Arc::new(SystemClock));
        let account = Account::new(Rc::new(Cell::new(Moment::from_start(Duration::ZERO))));
        let mut metered = Metered::connection(std::future::pending(), limiter, account.clone());
        let mut poll = || Pin::new(&mut metered).poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        account.cut_off();
        assert!(poll().is_ready());
    }
}
