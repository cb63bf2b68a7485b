//! When a caller is read from, and how long it may leave its answer unread.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::limits::memory::{Account, Memory};
use crate::proxy::request::serve::Caller;

/// The pace of one connection.
pub(in crate::proxy::caller) struct Pacing {
    memory: Rc<Memory>,
    account: Rc<Account>,
    caller_write: Duration,
}

impl Pacing {
    /// That of this caller's.
    pub(in crate::proxy::caller) fn of(caller: &Caller) -> Self {
        let (memory, account) = (caller.worker.limiter.memory.clone(), caller.deadline.account.clone());
        Self { memory, account, caller_write: caller.worker.limits.caller_write }
    }

    /// Ready when the caller may be read from: not while it holds more than the budget has left for it, and not when others
    /// have their turn.
    pub(in crate::proxy::caller) fn poll_read(&self, cx: &Context<'_>) -> Poll<()> {
        ready!(self.account.poll_turn(cx));
        if self.memory.allows(&self.account) {
            return Poll::Ready(());
        }
        self.memory.pause(cx.waker());
        Poll::Pending
    }

    /// Ready when the caller may be written to.
    pub(in crate::proxy::caller) fn poll_write(&self, cx: &Context<'_>) -> Poll<()> {
        self.account.poll_turn(cx)
    }

    /// Notes how much was read.
    pub(in crate::proxy::caller) fn has_read(&self, bytes: usize) {
        self.account.carried(bytes);
    }

    /// Notes what came of writing.
    pub(in crate::proxy::caller) fn wrote(&self, done: &Poll<io::Result<usize>>) {
        match done {
            Poll::Ready(Ok(bytes)) => {
                self.account.moves();
                self.account.carried(*bytes);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.account.is_unread(self.caller_write),
        }
    }
}

/// A caller's bytes, at its pace.
pub(in crate::proxy::caller) struct Paced<S> {
    pacing: Pacing,
    stream: S,
}

impl<S> Paced<S> {
    /// Those of this caller.
    pub(in crate::proxy::caller) fn of(caller: &Caller, stream: S) -> Self {
        Self { pacing: Pacing::of(caller), stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.pacing.poll_read(cx));
        let before = buffer.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.pacing.has_read(buffer.filled().len().saturating_sub(before));
        done
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.pacing.poll_write(cx));
        let done = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.pacing.wrote(&done);
        done
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.pacing.poll_write(cx));
        let done = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.pacing.wrote(&done);
        done
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
