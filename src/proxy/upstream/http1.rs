//! An HTTP/1.1 connection to an upstream, driven by the task that waits for the response.
//!
//! hyper runs such a connection in a task of its own and passes the request, the response and each body frame through channels.
//! Reading and writing in the caller's task saves 4,400 of 27,500 instructions per request, and a sixth of the user time.
//!
//! [`sending`] writes a request, [`head`] reads the response head and [`body`] the response body. [`receiving`] is the interface
//! for the pool.

mod body;
mod head;
mod malformed;
pub(crate) mod receiving;
mod sending;

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, response};
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::task::coop;

use self::body::BodyFraming;
use self::head::HeadReader;
pub(crate) use self::head::framing::FramingHeaders;
use self::sending::{RequestWriter, WriteError};
use super::send_error::SendError;
use super::transport::Transport;
use crate::proxy::limits::memory::Memory;
use crate::proxy::message::attempt::UpstreamRequest;
use crate::proxy::message::body::{BodyError, Outgoing};
use crate::proxy::message::interim::Allowance;

/// The initial size of a read, enough for most responses. It doubles after each read that fills it, up to the maximum.
const INITIAL_READ: usize = 8 << 10;
const MAX_READ: usize = 384 << 10;

pub(crate) struct Http1<B = Outgoing> {
    transport: Transport,
    memory: Rc<Memory>,
    writer: RequestWriter<B>,
    /// Whether writing has failed. A response that the server sent before that is still read.
    write_failed: bool,
    read_buf: BytesMut,
    read_size: usize,
    head: HeadReader,
    body: BodyFraming,
    /// How many interim responses may still come.
    interim: Allowance,
    /// Whether any byte has come since the request began.
    answered: bool,
    /// Whether the server accepts another request after this response.
    keep_alive: bool,
}

enum Read {
    Some,
    End,
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Http1<B> {
    /// Creates a connection on which nothing has been sent.
    pub(crate) fn new(transport: Transport, memory: Rc<Memory>) -> Self {
        Self {
            transport,
            memory,
            writer: RequestWriter::default(),
            write_failed: false,
            read_buf: BytesMut::new(),
            read_size: INITIAL_READ,
            head: HeadReader::default(),
            body: BodyFraming::Ended,
            interim: Allowance::default(),
            answered: false,
            keep_alive: true,
        }
    }

    /// Whether the server has closed the connection or sent something unsolicited. Makes a system call only if the socket is
    /// readable.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let nobody = &mut Context::from_waker(Waker::noop());
        Pin::new(&mut self.transport).poll_read(nobody, &mut ReadBuf::new(&mut byte)).is_ready()
    }

    /// Begins a request. [`Http1::poll_head`] sends it.
    pub(crate) fn begin(&mut self, request: UpstreamRequest<'_, B>) {
        (self.read_size, self.interim, self.answered) = (INITIAL_READ, Allowance::default(), false);
        self.head.begin(request.head.method == Method::HEAD);
        self.writer.begin(request);
    }

    /// Sends the request and reads the response head, whose headers go into `cached_headers`. Calls `on_interim` for each interim
    /// response.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        cached_headers: &Cell<HeaderMap>,
        on_interim: &mut dyn FnMut(response::Parts),
    ) -> Poll<Result<response::Parts, SendError>> {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error.into()));
        }
        loop {
            while let Some(head) = self.head.read(&mut self.read_buf, cached_headers)? {
                let status = head.parts.status;
                if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                    self.interim.take(head.length)?;
                    on_interim(head.parts);
                    continue;
                }
                (self.body, self.keep_alive) = (head.rest, head.keep_alive);
                return Poll::Ready(Ok(head.parts));
            }
            let error: io::Error = match ready!(self.poll_read(cx, u64::MAX)) {
                Ok(Read::Some) => continue,
                Ok(Read::End) => io::ErrorKind::UnexpectedEof.into(),
                Err(error) => error,
            };
            return Poll::Ready(Err(match error.to_string() {
                _ if !self.writer.has_begun() => SendError::Unsent,
                why if self.answered => SendError::CutShort(why),
                why => SendError::Broken(why),
            }));
        }
    }

    /// Sends the rest of a request whose response began early, as far as the server reads it.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        if self.write_failed {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.writer.poll(&mut self.transport, cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(WriteError::Body(error)) => Poll::Ready(Err(error)),
            Err(WriteError::Transport(error)) => {
                tracing::debug!(%error, "the upstream stopped reading");
                self.write_failed = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        // Yields to other tasks even if a server keeps sending many small frames.
        let budget = ready!(coop::poll_proceed(cx));
        loop {
            let frame = self.body.take(&mut self.read_buf)?;
            if frame.is_some() || self.body.has_ended() {
                budget.made_progress();
                return Poll::Ready(frame.map(Ok));
            }
            match ready!(self.poll_read(cx, self.body.most()))? {
                Read::Some => {}
                Read::End if self.body.ends_with_connection() => self.body = BodyFraming::Ended,
                Read::End => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
            }
        }
    }

    /// Whether the whole response has been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.body.has_ended()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// Whether the whole request has been sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.writer.is_done()
    }

    /// Whether the connection can take another request.
    pub(crate) fn is_free(&self) -> bool {
        self.keep_alive && self.is_sent() && !self.write_failed && self.has_ended() && self.read_buf.is_empty()
    }

    /// Frees the read buffer if a long response has enlarged it.
    pub(crate) fn shrink_buffer(&mut self) {
        if self.read_size > INITIAL_READ {
            self.read_buf = BytesMut::new();
        }
    }

    /// Returns the transport and the bytes read ahead, once the connection has left HTTP.
    pub(crate) fn into_parts(self) -> (Bytes, Transport) {
        (self.read_buf.freeze(), self.transport)
    }

    /// Reads once. A TLS stream that ends without `close_notify` is an error (RFC 9112 §9.8).
    fn poll_read(&mut self, cx: &mut Context<'_>, most: u64) -> Poll<io::Result<Read>> {
        // With one spare byte, a read that takes all there is does not fill the buffer, so tokio knows that the socket is
        // empty.
        let wish = usize::try_from(most.saturating_add(1)).unwrap_or(usize::MAX).min(self.read_size);
        self.read_buf.reserve(wish);
        let room = self.read_buf.capacity().saturating_sub(self.read_buf.len());
        let read = ready!(pin!(self.transport.read_buf(&mut self.read_buf)).poll(cx))?;
        if self.read_size > INITIAL_READ && self.memory.is_tight() {
            self.read_size = INITIAL_READ;
        } else if read == room {
            self.read_size = self.read_size.saturating_mul(2).min(MAX_READ);
        }
        self.answered |= read > 0;
        Poll::Ready(Ok(if read == 0 { Read::End } else { Read::Some }))
    }
}

#[cfg(test)]
mod tests;
