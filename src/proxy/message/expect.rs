//! `Expect: 100-continue`: the caller is asked for its body only once the upstream has asked. hyper sends `100 Continue` when the
//! body is first polled, so it must not be polled before.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderMap, header};
use tokio::time::Sleep;

/// How long to wait for a `100 Continue`: a server that does not support `Expect` never sends one (RFC 9110 §10.1.1).
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(5);

/// Over HTTP/2 many servers never send one, such as nginx. This is how long clients wait themselves.
const CONTINUE_TIMEOUT_HTTP2: Duration = Duration::from_secs(1);

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
    /// The upstream is known not to ask.
    NotWaitedFor,
    /// The upstream has not asked in time.
    Overdue,
}

/// Creates a gate if the request expects `100 Continue`.
pub(crate) fn gate(headers: &HeaderMap) -> Option<(ContinueGate, Rc<Signal>)> {
    headers.get(header::EXPECT).filter(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))?;
    let signal = Rc::new(Signal::default());
    Some((ContinueGate { signal: signal.clone(), end: None }, signal))
}

impl ContinueGate {
    /// Ready once the caller may be asked. The timeout starts with the first call.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.signal.waiter.replace(Some(cx.waker().clone()));
        if self.signal.is_open() {
            return Poll::Ready(());
        }
        let timeout = if self.signal.http2.get() { CONTINUE_TIMEOUT_HTTP2 } else { CONTINUE_TIMEOUT };
        let end = self.end.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        end.as_mut().poll(cx).map(|()| self.signal.state.set(GateState::Overdue))
    }
}

impl Signal {
    pub(crate) fn is_open(&self) -> bool {
        self.state.get() != GateState::Shut
    }

    /// The upstream has asked for the body.
    pub(crate) fn open(&self) {
        self.set(GateState::Asked);
    }

    /// Prepares for a server. A `silent` one, which failed to ask before, is not waited for again.
    pub(crate) fn expect(&self, silent: &Cell<bool>, http2: bool) {
        self.http2.set(http2);
        if silent.get() {
            self.set(GateState::NotWaitedFor);
        }
    }

    /// Learns from a response whether the server asks. One that responded without asking and without reading the body may still
    /// ask next time.
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

    fn expecting() -> (ContinueGate, Rc<Signal>) {
        gate(&HeaderMap::from_iter([(header::EXPECT, "100-Continue".parse().unwrap())])).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_sends_100_is_not_waited_for_until_it_does() {
        let silent = Cell::new(false);
        for (http2, timeout) in [(false, CONTINUE_TIMEOUT), (true, CONTINUE_TIMEOUT_HTTP2)] {
            silent.set(false);
            let (mut gate, signal) = expecting();
            tokio::time::advance(CONTINUE_TIMEOUT * 2).await;
            signal.expect(&silent, http2);
            assert_eq!(waits(&mut gate).await, timeout, "from the first poll of the body");
            signal.learn(&silent);
            assert!(silent.get());
        }

        let (mut gate, signal) = expecting();
        signal.expect(&silent, false);
        assert_eq!(waits(&mut gate).await, Duration::ZERO);
        signal.learn(&silent);
        assert!(silent.get(), "nothing new was learned");
        signal.open();
        signal.learn(&silent);
        assert!(!silent.get());

        let (_gate, signal) = expecting();
        signal.expect(&silent, false);
        signal.learn(&silent);
        assert!(!silent.get() && !signal.is_open(), "refused without reading the body");
    }

    #[test]
    fn other_requests_have_no_gate() {
        assert!(gate(&HeaderMap::new()).is_none());
        assert!(gate(&HeaderMap::from_iter([(header::EXPECT, "a-miracle".parse().unwrap())])).is_none());
    }
}
