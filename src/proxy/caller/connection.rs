//! A caller's connection: HTTP/1.1 or, with prior knowledge, HTTP/2 over a socket, ended when its time is over or the
//! process goes down.
//!
//! What hyper keeps for a connection is worth 15 KiB, and between two requests there is nothing in it. So a connection on
//! which nothing happens is parked: hyper's connection is taken apart, which gives the socket back and closes nothing,
//! and made again when there is something to read. That is allowed when
//!
//! 1. no request is in flight: the answer has been passed on ([`Waiting::NextRequest`]) and the request's body is gone
//!    ([`Deadline::is_free`]);
//! 2. everything written has left hyper: the last write was followed by a complete flush ([`CallerIo`]);
//! 3. hyper holds no part of a next head; if it does, the connection made next gets it back first, and waits for the rest.
//!
//! Nothing is lost on the way: the socket stays registered all the time, so whatever comes, at any moment, makes it
//! readable. Connections of HTTP/2 are not parked.

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
use crate::proxy::request::response::CallerResponse;
use crate::proxy::request::serve::Caller;
use crate::proxy::socket::Socket;
use crate::record::Limit;
use crate::sensor_io::Sensor;

/// How long a caller that was turned away may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// Lines of a head over HTTP/1.1. hyper sets up a table of so many for each request: 16 KiB, for as long as it parses.
const LINES: usize = 256;

/// hyper's own lower bound for a buffer.
const SMALLEST_BUFFER: usize = 8192;

/// Serves one connection to its end.
pub(crate) async fn serve(mut socket: Socket, caller: Caller) {
    let caller = Rc::new(caller);
    let mut parked = match super::preface::read(&mut socket, &caller).await {
        Some(Preface::Http1(ahead)) => Box::pin(serve_until_parked(socket, ahead, caller.clone())).await,
        Some(Preface::Http2(ahead)) => return Box::pin(super::http2::serve(socket, ahead, caller)).await,
        None => return,
    };
    while let Some(socket) = parked.take() {
        if until_readable(&socket, &caller).await {
            // Boxed, so that the task of a parked connection is small.
            parked = Box::pin(serve_until_parked(socket, Bytes::new(), caller.clone())).await;
        }
    }
}

/// Waits on a parked connection; false when its time is over.
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

/// Serves until the connection ends, or may be parked: then its socket comes back.
async fn serve_until_parked(socket: Socket, ahead: Bytes, caller: Rc<Caller>) -> Option<Socket> {
    let _awake = caller.worker.wake();
    let interim = caller.interim.clone();
    let header_timeout = caller.worker.limits.header_timeout;
    let deadline = caller.deadline.clone();
    let pacing = Pacing::of(&caller);
    let mut link = CallerIo { socket, ahead, interim: interim.clone(), deadline, header_timeout, pacing };
    loop {
        let serving = caller.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let caller = serving.clone();
            async move { Ok::<_, Infallible>(caller.serve(request).await) }
        });
        let mut connection = builder(&caller).serve_connection(TokioIo::new(link), service);
        let idle = until_idle(&mut connection, &caller, &interim.unsent).await;
        let tunnel = caller.tunnel.take();
        if !idle && tunnel.is_none() {
            return None;
        }
        let parts = connection.into_parts();
        link = parts.io.into_inner();
        if let Some(tunnel) = tunnel {
            tunnel.carry(parts.read_buf, link.socket).await;
            return None;
        }
        if parts.read_buf.is_empty() {
            caller.deadline.account.settle(&caller.worker.limiter.memory);
            return Some(link.socket);
        }
        link.ahead = parts.read_buf;
        caller.deadline.wait(Waiting::RequestHead, header_timeout);
    }
}

/// Serves until the connection has ended, or may be parked: then true.
async fn until_idle<S>(
    connection: &mut http1::Connection<TokioIo<CallerIo>, S>,
    caller: &Caller,
    unsent: &Cell<bool>,
) -> bool
where
    S: Service<Request<Incoming>, Response = Response<CallerResponse>, Error = Infallible>,
{
    let mut told = false;
    std::future::poll_fn(|cx| {
        caller.deadline.register(cx.waker());
        loop {
            if let Poll::Ready(end) = Pin::new(&mut *connection).poll(cx) {
                let _ = end.inspect_err(|error| tracing::debug!(%error, "connection from a caller closed"));
                return Poll::Ready(false);
            }
            // One on which nothing is under way is parked, and ends there.
            if told || !caller.worker.draining.get() || caller.may_park() {
                break;
            }
            told = true;
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
    /// Whether it has said nothing for too long.
    fn has_timed_out(&self) -> bool {
        matches!(self.deadline.expired(), Some(Waiting::NextRequest | Waiting::RequestHead))
    }

    fn wants_to_park(&self) -> bool {
        self.deadline.is_quiet() || self.worker.is_crowded() || self.worker.draining.get()
    }

    /// Whether no request is in flight, and keeping hyper's state for the next would not pay.
    fn may_park(&self) -> bool {
        self.deadline.is_free() && self.tunnel.borrow().is_none() && self.wants_to_park()
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

/// Tells a caller that there are too many, without reading what it asks.
pub(crate) async fn turn_away(mut socket: Socket, limit: Limit) {
    let answer = ProxyError::Busy(limit).response(None);
    let mut text =
        format!("HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: {}\r\n", answer.status(), answer.body().len());
    for (name, value) in answer.headers() {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    let bytes = [text.as_bytes(), b"\r\n", answer.body()].concat();
    let _ = tokio::time::timeout(FAREWELL, farewell(&mut socket, bytes.into())).await;
}

/// Closing with unread bytes would reset the connection and take the answer away with it.
async fn farewell(socket: &mut Socket, answer: Bytes) -> io::Result<()> {
    socket.write_all(&answer).await?;
    socket.shutdown().await?;
    let mut rest = [0; 1024];
    while socket.read(&mut rest).await? > 0 {}
    Ok(())
}

/// A caller's bytes. The first of a head restart the time of a connection that counts as idle.
struct CallerIo {
    socket: Socket,
    /// What was read before, by the connection that was taken apart.
    ahead: Bytes,
    /// What is written behind hyper's back, and whether hyper may hold something that it has yet to write: it flushes only
    /// when it holds nothing.
    interim: Rc<Interim>,
    deadline: Rc<Deadline>,
    header_timeout: Duration,
    pacing: Pacing,
}

impl CallerIo {
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.interim.poll_write(cx, &mut self.socket)
    }
}

impl AsyncRead for CallerIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(length));
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
        ready!(self.poll_interim(cx))?;
        self.interim.unsent.set(true);
        ready!(self.pacing.poll_may_write(cx));
        let done = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.pacing.has_written(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_interim(cx))?;
        self.interim.unsent.set(true);
        ready!(self.pacing.poll_may_write(cx));
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
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
