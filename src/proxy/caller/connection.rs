//! A caller's connection over HTTP/1.1. It ends when a deadline expires or the process stops.
//!
//! hyper's state for a connection takes 15 KiB, even when no request is in flight. An idle connection is therefore parked:
//! hyper's connection is taken apart, which returns the socket without closing it, and is created again when there is something
//! to read. A connection may be parked if:
//!
//! 1. No request is in flight: the response has been passed on ([`Waiting::NextRequest`]) and the request's body has been dropped
//!    ([`Deadline::is_free`]).
//! 2. hyper has written everything: the last write was followed by a complete flush ([`CallerIo`]).
//! 3. hyper's read buffer is empty. If it holds part of a request head, the next hyper connection gets these bytes back and waits
//!    for the rest.
//!
//! No bytes are lost: the socket stays registered with the runtime, so that anything that arrives makes it readable. HTTP/2
//! connections are not parked.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::pacing::Pacing;
use super::preface::Preface;
use crate::proxy::error::ProxyError;
use crate::proxy::limits::deadline::{Deadline, Waiting};
use crate::proxy::message::interim::Interim;
use crate::proxy::request::close_delimited::CloseGuard;
use crate::proxy::request::response::CallerResponse;
use crate::proxy::request::serve::Caller;
use crate::proxy::socket::Socket;
use crate::record::Limit;
use crate::sensor_io::Sensor;

/// How long a refused caller has to read its response.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// The most header lines over HTTP/1.1. hyper allocates a table of this size (16 KiB) while it parses a head.
const LINES: usize = 256;

/// hyper's own minimum.
const SMALLEST_BUFFER: usize = 8192;

/// Serves a connection to its end.
pub(crate) async fn serve(mut socket: Socket, caller: Caller) {
    let caller = Rc::new(caller);
    let mut parked = match super::preface::read(&mut socket, &caller).await {
        Some(Preface::Http1(buffered)) => Box::pin(serve_until_parked(socket, buffered, caller.clone())).await,
        Some(Preface::Http2(buffered)) => return Box::pin(super::http2::serve(socket, buffered, caller)).await,
        None => return,
    };
    while let Some(socket) = parked.take() {
        if until_readable(&socket, &caller).await {
            // Boxed, to keep the task of a parked connection small.
            parked = Box::pin(serve_until_parked(socket, Bytes::new(), caller.clone())).await;
        }
    }
}

/// Waits until a parked connection is readable; returns false when its deadline has expired.
async fn until_readable(socket: &Socket, caller: &Caller) -> bool {
    std::future::poll_fn(|cx| {
        caller.deadline.register(cx.waker());
        match socket.poll_read_ready(cx) {
            Poll::Ready(ready) => Poll::Ready(ready.is_ok()),
            Poll::Pending if caller.has_timed_out() => Poll::Ready(false),
            Poll::Pending if caller.worker.draining.get() && !socket.holds_bytes() => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Serves until the connection ends, or may be parked: then its socket is returned.
async fn serve_until_parked(socket: Socket, buffered: Bytes, caller: Rc<Caller>) -> Option<Socket> {
    let _awake = caller.worker.wake();
    let interim = caller.interim.clone();
    let header_timeout = caller.worker.limits.header_timeout;
    let deadline = caller.deadline.clone();
    let pacing = Pacing::of(&caller);
    let close_guard = CloseGuard::new(caller.unfinished.clone());
    let mut io = CallerIo { socket, buffered, interim: interim.clone(), deadline, header_timeout, pacing, close_guard };
    loop {
        let serving = caller.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let caller = serving.clone();
            async move { Ok::<_, Infallible>(caller.serve(request).await) }
        });
        let mut connection = builder(&caller).serve_connection(TokioIo::new(io), service);
        let idle = until_idle(&mut connection, &caller, &interim.unsent).await;
        let tunnel = caller.tunnel.take();
        if !idle && tunnel.is_none() {
            return None;
        }
        let parts = connection.into_parts();
        io = parts.io.into_inner();
        if let Some(tunnel) = tunnel {
            tunnel.run(parts.read_buf, io.socket).await;
            return None;
        }
        if parts.read_buf.is_empty() {
            caller.deadline.account.reset(&caller.worker.limiter.memory);
            return Some(io.socket);
        }
        io.buffered = parts.read_buf;
        caller.deadline.wait(Waiting::RequestHead, header_timeout);
    }
}

/// Serves until the connection ends (false) or may be parked (true).
async fn until_idle<S>(
    connection: &mut http1::Connection<TokioIo<CallerIo>, S>,
    caller: &Caller,
    unsent: &Cell<bool>,
) -> bool
where
    S: Service<Request<Incoming>, Response = Response<CallerResponse>, Error = Infallible>,
{
    let mut stopping = false;
    std::future::poll_fn(|cx| {
        caller.deadline.register(cx.waker());
        loop {
            if let Poll::Ready(end) = Pin::new(&mut *connection).poll(cx) {
                let _ = end.inspect_err(|error| tracing::debug!(%error, "connection from a caller closed"));
                return Poll::Ready(false);
            }
            // A connection without a request in flight is parked instead, and closes there.
            if stopping || !caller.worker.draining.get() || caller.may_park() {
                break;
            }
            stopping = true;
            Pin::new(&mut *connection).graceful_shutdown();
        }
        match caller.has_timed_out() {
            true => Poll::Ready(false),
            false if caller.may_park() && !unsent.get() => Poll::Ready(true),
            false => Poll::Pending,
        }
    })
    .await
}

impl Caller {
    /// Whether the caller has been silent for too long.
    fn has_timed_out(&self) -> bool {
        matches!(self.deadline.expired(), Some(Waiting::NextRequest | Waiting::RequestHead))
    }

    fn should_park(&self) -> bool {
        self.deadline.is_quiet() || self.worker.is_crowded() || self.worker.draining.get()
    }

    /// Whether no request is in flight, and hyper's state should not be kept for the next.
    fn may_park(&self) -> bool {
        self.deadline.is_free() && self.tunnel.borrow().is_none() && self.should_park()
    }
}

fn builder(caller: &Caller) -> http1::Builder {
    let limits = &caller.worker.limits;
    let mut builder = http1::Builder::new();
    builder
        .title_case_headers(true)
        .auto_date_header(false)
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_headers(LINES)
        .max_buf_size(limits.header_bytes.max(SMALLEST_BUFFER).max(128 << 10));
    builder
}

/// Responds to a caller over the limit without reading its request.
pub(crate) async fn refuse(mut socket: Socket, limit: Limit) {
    let response = ProxyError::Busy(limit).response(None);
    let mut text =
        format!("HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: {}\r\n", response.status(), response.body().len());
    for (name, value) in response.headers() {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    let bytes = [text.as_bytes(), b"\r\n", response.body()].concat();
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, write_and_close(&mut socket, bytes.into())).await;
}

/// Reads until the caller closes: closing with unread bytes would reset the connection and discard the response.
async fn write_and_close(socket: &mut Socket, response: Bytes) -> io::Result<()> {
    socket.write_all(&response).await?;
    socket.shutdown().await?;
    let mut rest = [0; 1024];
    while socket.read(&mut rest).await? > 0 {}
    Ok(())
}

/// A caller's socket. The first bytes of a request head restart the deadline of an idle connection.
struct CallerIo {
    socket: Socket,
    /// Bytes that an earlier hyper connection has read.
    buffered: Bytes,
    /// Interim responses, which are written without hyper; and whether hyper may hold unwritten bytes: it flushes only when it
    /// holds none.
    interim: Rc<Interim>,
    deadline: Rc<Deadline>,
    header_timeout: Duration,
    pacing: Pacing,
    close_guard: CloseGuard,
}

impl CallerIo {
    fn poll_may_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_interim(cx))?;
        self.interim.unsent.set(true);
        ready!(self.pacing.poll_may_write(cx));
        self.close_guard.before_write(&self.socket);
        Poll::Ready(Ok(()))
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.interim.poll_write(cx, &mut self.socket)
    }
}

impl AsyncRead for CallerIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.buffered.is_empty() {
            let length = self.buffered.len().min(buffer.remaining());
            buffer.put_slice(&self.buffered.split_to(length));
            return Poll::Ready(Ok(()));
        }
        ready!(self.pacing.poll_may_read(cx));
        let before = buffer.filled().len();
        let done = Pin::new(&mut self.socket).poll_read(cx, buffer);
        let read = buffer.filled().get(before..).unwrap_or_default();
        self.pacing.has_read(read);
        if self.deadline.is_free() && !read.is_empty() {
            self.deadline.wait(Waiting::RequestHead, self.header_timeout);
        }
        done
    }
}

impl AsyncWrite for CallerIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_may_write(cx))?;
        let done = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.pacing.has_written(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_may_write(cx))?;
        let done = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.pacing.has_written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = match self.poll_interim(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.socket).poll_flush(cx),
            other => other,
        };
        self.interim.unsent.set(done.is_pending());
        done
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let link = &mut *self;
        match link.close_guard.is_clean(&link.socket) {
            true => Pin::new(&mut link.socket).poll_shutdown(cx),
            false => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
