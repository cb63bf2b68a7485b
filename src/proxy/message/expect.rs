//! `Expect: 100-continue`: the caller is asked for its body only when the upstream has asked. hyper asks the caller
//! when its body is first read, so the body is not read before.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderMap, header};
use tokio::time::Sleep;

/// A server that knows nothing of `Expect` never asks, so the wait must end (RFC 9110 §10.1.1).
const PATIENCE: Duration = Duration::from_secs(5);

/// Over HTTP/2 many never ask, nginx among them: as long as callers wait themselves.
const PATIENCE_WITH_HTTP2: Duration = Duration::from_secs(1);

/// Opens when the upstream asks for the body.
pub(crate) struct ContinueGate {
    signal: Rc<Signal>,
    end: Option<Pin<Box<Sleep>>>,
}

/// Opens a [`ContinueGate`].
#[derive(Default)]
pub(crate) struct Signal {
    state: Cell<GateState>,
    http2: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum GateState {
    #[default]
    Shut,
    /// The upstream has asked.
    Asked,
    /// It is known not to ask.
    NotWaitedFor,
    /// It has not asked in time.
    Overdue,
}

/// A gate, if the caller waits to be asked.
pub(crate) fn gate(headers: &HeaderMap) -> Option<(ContinueGate, Rc<Signal>)> {
    headers.get(header::EXPECT).filter(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))?;
    let signal = Rc::new(Signal::default());
    Some((ContinueGate { signal: signal.clone(), end: None }, signal))
}

impl ContinueGate {
    /// Ready once the caller may be asked. The wait begins when its body is first wanted.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.signal.waiter.replace(Some(cx.waker().clone()));
        if self.signal.is_open() {
            return Poll::Ready(());
        }
        let patience = if self.signal.http2.get() { PATIENCE_WITH_HTTP2 } else { PATIENCE };
        let end = self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        end.as_mut().poll(cx).map(|()| self.signal.state.set(GateState::Overdue))
    }
}

impl Signal {
    /// Whether the caller may be asked.
    pub(crate) fn is_open(&self) -> bool {
        self.state.get() != GateState::Shut
    }

    /// The upstream asks for the body.
    pub(crate) fn open(&self) {
        self.set(GateState::Asked);
    }

    /// The request goes to a server: a silent one, which did not ask when it should have, is not waited for again.
    pub(crate) fn expect(&self, silent: &Cell<bool>, http2: bool) {
        self.http2.set(http2);
        if silent.get() {
            self.set(GateState::NotWaitedFor);
        }
    }

    /// The server has answered. One that has refused the body unseen is none of the silent ones for that.
    pub(crate) fn learn(&self, silent: &Cell<bool>) {
        match self.state.get() {
            GateState::Asked => silent.set(false),
            GateState::Overdue => silent.set(true),
            GateState::Shut | GateState::NotWaitedFor => {}
        }
    }

    fn set(&self, state: GateState) {
        self.state.set(state);
        self.waiter.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn waits(gate: &mut ContinueGate) -> Duration {
        let began = tokio::time::Instant::now();
        std::future::poll_fn(|cx| gate.poll_open(cx)).await;
        began.elapsed()
    }

    fn asked() -> (ContinueGate, Rc<Signal>) {
        gate(&HeaderMap::from_iter([(header::EXPECT, "100-Continue".parse().unwrap())])).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_ask_is_not_waited_for_again_until_it_does() {
        let silent = Cell::new(false);
        for (http2, patience) in [(false, PATIENCE), (true, PATIENCE_WITH_HTTP2)] {
            silent.set(false);
            let (mut gate, signal) = asked();
            tokio::time::advance(PATIENCE * 2).await;
            signal.expect(&silent, http2);
            assert_eq!(waits(&mut gate).await, patience, "from when the body is wanted");
            signal.learn(&silent);
            assert!(silent.get());
        }

        let (mut gate, signal) = asked();
        signal.expect(&silent, false);
        assert_eq!(waits(&mut gate).await, Duration::ZERO);
        signal.learn(&silent);
        assert!(silent.get(), "nothing new was learned");
        signal.open();
        signal.learn(&silent);
        assert!(!silent.get());

        let (_gate, signal) = asked();
        signal.expect(&silent, false);
        signal.learn(&silent);
        assert!(!silent.get() && !signal.is_open(), "refused unseen");
    }

    #[test]
    fn nobody_else_is_held_up() {
        assert!(gate(&HeaderMap::new()).is_none());
        assert!(gate(&HeaderMap::from_iter([(header::EXPECT, "a-miracle".parse().unwrap())])).is_none());
    }
}
