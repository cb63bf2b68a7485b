//! A stream with a sensor on it: whoever counts, delays or times what is read and written says only that.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a stream's reads and writes are shown to.
pub(crate) trait Sensor {
    /// Ready when the stream may be read from.
    fn poll_may_read(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Ready when the stream may be written to.
    fn poll_may_write(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// These bytes were read; never none.
    fn has_read(&mut self, _bytes: &[u8]) {}

    /// This came of a write. What is returned is what the writer is told.
    fn has_written(&mut self, _cx: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        done
    }
}

/// A stream and its sensor.
pub(crate) struct SensorIo<I, S> {
    io: I,
    /// What watches it.
    pub(crate) sensor: S,
}

impl<I, S> SensorIo<I, S> {
    /// Nothing was read or written yet.
    pub(crate) fn new(io: I, sensor: S) -> Self {
        Self { io, sensor }
    }
}

impl<I: AsyncRead + Unpin, S: Sensor + Unpin> AsyncRead for SensorIo<I, S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { io, sensor } = self.get_mut();
        ready!(sensor.poll_may_read(cx));
        let before = buffer.filled().len();
        let done = Pin::new(io).poll_read(cx, buffer);
        let read = buffer.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            sensor.has_read(read);
        }
        done
    }
}

impl<I: AsyncWrite + Unpin, S: Sensor + Unpin> AsyncWrite for SensorIo<I, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { io, sensor } = self.get_mut();
        ready!(sensor.poll_may_write(cx));
        let done = Pin::new(io).poll_write(cx, bytes);
        sensor.has_written(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, sensor } = self.get_mut();
        ready!(sensor.poll_may_write(cx));
        let done = Pin::new(io).poll_write_vectored(cx, slices);
        sensor.has_written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
