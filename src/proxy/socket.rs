//! A socket of a caller or an upstream.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::limits::limiter::InUse;

pub(crate) enum Socket {
    /// TCP to a caller.
    Tcp(TcpStream),
    /// A Unix socket to a caller.
    Unix(UnixStream),
    /// TCP to an upstream, counted while it is open.
    Upstream { stream: TcpStream, _permit: InUse },
}

impl Socket {
    /// Ready when there are bytes to read, an end, or an error.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) | Self::Upstream { stream, .. } => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Makes a close reset the connection, or end it as usual. A Unix socket has no reset.
    pub(crate) fn reset_on_close(&self, resets: bool) {
        if let Self::Tcp(stream) = self {
            let _ = SockRef::from(stream).set_linger(resets.then_some(Duration::ZERO));
        }
    }

    /// Whether unread bytes have arrived. Asks the kernel, since the runtime may not have been notified yet.
    pub(crate) fn holds_bytes(&self) -> bool {
        let mut one = [MaybeUninit::uninit()];
        let peeked = match self {
            Self::Tcp(stream) | Self::Upstream { stream, .. } => SockRef::from(stream).peek(&mut one),
            Self::Unix(stream) => SockRef::from(stream).peek(&mut one),
        };
        peeked.is_ok_and(|length| length > 0)
    }
}

macro_rules! on_either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket.get_mut() {
            Socket::Tcp(stream) | Socket::Upstream { stream, .. } => {
                let $stream = Pin::new(stream);
                $call
            }
            Socket::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_either!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // `send` takes 0.1 µs (7 %) less than `writev`, and a request head is written alone.
        match slices {
            [bytes] => on_either!(self, stream => stream.poll_write(cx, bytes)),
            _ => on_either!(self, stream => stream.poll_write_vectored(cx, slices)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_shutdown(cx))
    }
}

/// A socket with bytes that were already read from it, which are read first.
pub(crate) struct Rewound<S> {
    pub(crate) buffered: Bytes,
    pub(crate) socket: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.buffered.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buffer);
        }
        let length = self.buffered.len().min(buffer.remaining());
        buffer.put_slice(&self.buffered.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
