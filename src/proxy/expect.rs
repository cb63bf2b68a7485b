//! `Expect: 100-continue`: the caller is asked for its body only when the upstream has asked. hyper asks the caller
//! when its body is first read, so the body is not read before.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderMap, header};
use tokio::time::Sleep;

/// A server that knows nothing of `Expect` never asks, so the wait must end (RFC 9110 §10.1.1).
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens when the upstream asks for the body.
pub(crate) struct Gate {
    signal: Arc<Signal>,
    end: Pin<Box<Sleep>>,
}

/// Opens a [`Gate`].
#[derive(Default, Debug)]
pub(crate) struct Signal {
    open: AtomicBool,
    waiter: Mutex<Option<Waker>>,
}

/// A gate, if the caller waits to be asked.
pub(crate) fn gate(headers: &HeaderMap) -> Option<(Gate, Arc<Signal>)> {
    headers.get(header::EXPECT).filter(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))?;
    let signal = Arc::new(Signal::default());
    Some((Gate { signal: signal.clone(), end: Box::pin(tokio::time::sleep(PATIENCE)) }, signal))
}

impl Gate {
    /// Ready once the caller may be asked.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        *self.signal.waiter.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.signal.open.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.end.as_mut().poll(cx).map(|()| self.signal.open.store(true, Ordering::Release))
    }
}

impl Signal {
    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// The upstream asks for the body.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
        if let Some(waiter) = self.waiter.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waiter.wake();
        }
    }
}
