//! A connection of HTTP/1.1 to an upstream, driven by whoever waits for the answer.
//!
//! hyper serves such a connection in a task of its own, to and from which request, answer and each part of a body pass
//! through channels. Here the caller's task writes and reads by itself: 4,400 of 27,500 instructions a request less, and a
//! sixth of the user time.
//!
//! [`sending`] writes a request, [`head`] reads the head of its answer, [`body`] what follows; [`receiving`] is an answer as
//! the pool hands it on.

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

/// What is read at once: enough for most answers; twice as much after each time that it was not, up to the most.
const READ: usize = 8 << 10;
const MOST_READ: usize = 384 << 10;

/// A connection of HTTP/1.1.
pub(crate) struct Http1<B = Outgoing> {
    link: Transport,
    memory: Rc<Memory>,
    sending: RequestWriter<B>,
    /// Writing has failed. What the server has said before that is still read.
    deaf: bool,
    inbox: BytesMut,
    read: usize,
    head: HeadReader,
    rest: BodyFraming,
    /// What may still be said ahead of the answer.
    ahead: Allowance,
    /// Whether its server takes another request after this answer.
    persists: bool,
}

/// What a read has brought.
enum Read {
    Some,
    End,
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Http1<B> {
    /// A connection on which nothing was said.
    pub(crate) fn new(link: Transport, memory: Rc<Memory>) -> Self {
        Self {
            link,
            memory,
            sending: RequestWriter::default(),
            deaf: false,
            inbox: BytesMut::new(),
            read: READ,
            head: HeadReader::default(),
            rest: BodyFraming::Ended,
            ahead: Allowance::default(),
            persists: true,
        }
    }

    /// Whether its server has closed it, or said something that nobody asked for. Asks the system only when there is
    /// something.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let nobody = &mut Context::from_waker(Waker::noop());
        Pin::new(&mut self.link).poll_read(nobody, &mut ReadBuf::new(&mut byte)).is_ready()
    }

    /// Takes a request. Sent is what [`Http1::poll_head`] finds time for.
    pub(crate) fn begin(&mut self, request: UpstreamRequest<'_, B>) {
        (self.read, self.ahead) = (READ, Allowance::default());
        self.head.begin(request.head.method == Method::HEAD);
        self.sending.begin(request);
    }

    /// Sends the request, up to the head of its answer, whose headers go into `spare`; `told` hears what the server says
    /// ahead of it.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        spare: &Cell<HeaderMap>,
        told: &mut dyn FnMut(response::Parts),
    ) -> Poll<Result<response::Parts, SendError>> {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error.into()));
        }
        loop {
            while let Some(head) = self.head.read(&mut self.inbox, spare)? {
                let status = head.parts.status;
                if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                    self.ahead.take(head.length)?;
                    told(head.parts);
                    continue;
                }
                (self.rest, self.persists) = (head.rest, head.persists);
                return Poll::Ready(Ok(head.parts));
            }
            let error = match ready!(self.poll_read(cx, u64::MAX)) {
                Ok(Read::Some) => continue,
                Ok(Read::End) => io::ErrorKind::UnexpectedEof.into(),
                Err(error) => error,
            };
            let unsent = !self.sending.has_begun();
            return Poll::Ready(Err(if unsent { SendError::Unsent } else { error.into() }));
        }
    }

    /// Sends what is left of the request, where its answer has begun before its end; or as much as the server reads.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.sending.poll(&mut self.link, cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(WriteError::Body(error)) => Poll::Ready(Err(error)),
            Err(WriteError::Link(error)) => {
                tracing::debug!(%error, "the upstream does not read on");
                self.deaf = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// The next part of the answer.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        // However much a server has to say, in parts however small, others have their turn.
        let turn = ready!(coop::poll_proceed(cx));
        loop {
            let frame = self.rest.take(&mut self.inbox)?;
            if frame.is_some() || self.rest.has_ended() {
                turn.made_progress();
                return Poll::Ready(frame.map(Ok));
            }
            match ready!(self.poll_read(cx, self.rest.most()))? {
                Read::Some => {}
                Read::End if self.rest.ends_with_connection() => self.rest = BodyFraming::Ended,
                Read::End => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
            }
        }
    }

    /// Whether all of the answer has been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.rest.has_ended()
    }

    /// How much of the answer's body is left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.rest.size_hint()
    }

    /// Whether the whole request has been sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.sending.is_done()
    }

    /// Whether another request may be sent.
    pub(crate) fn is_free(&self) -> bool {
        self.persists && self.is_sent() && !self.deaf && self.has_ended() && self.inbox.is_empty()
    }

    /// Gives back the memory that a long answer took.
    pub(crate) fn tidy(&mut self) {
        if self.read > READ {
            self.inbox = BytesMut::new();
        }
    }

    /// The connection itself, and what was read of it: it has left HTTP.
    pub(crate) fn into_parts(self) -> (Bytes, Transport) {
        (self.inbox.freeze(), self.link)
    }

    /// Reads once. An end of TLS that the server has not told is an error (RFC 9112 §9.8).
    fn poll_read(&mut self, cx: &mut Context<'_>, most: u64) -> Poll<io::Result<Read>> {
        // With room for one byte more a read that brings all is seen to have emptied the socket.
        let wish = usize::try_from(most.saturating_add(1)).unwrap_or(usize::MAX).min(self.read);
        self.inbox.reserve(wish);
        let room = self.inbox.capacity().saturating_sub(self.inbox.len());
        let read = ready!(pin!(self.link.read_buf(&mut self.inbox)).poll(cx))?;
        if self.read > READ && self.memory.is_tight() {
            self.read = READ;
        } else if read == room {
            self.read = self.read.saturating_mul(2).min(MOST_READ);
        }
        Poll::Ready(Ok(if read == 0 { Read::End } else { Read::Some }))
    }
}

#[cfg(test)]
mod tests;
