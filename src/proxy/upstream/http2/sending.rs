//! Writes a request body as fast as the server accepts it. Small parts that are available together are merged, because servers
//! treat many small frames as an attack.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::SendStream;
use http::HeaderMap;
use hyper::body::Body;

use crate::proxy::message::body::BodyError;

/// Parts up to this size are merged, up to the default maximum frame size (RFC 9113 §6.5.2).
const SMALL: usize = 4 << 10;
const GATHER_LIMIT: usize = 16 << 10;

pub(super) struct StreamWriter<B> {
    stream: SendStream<Bytes>,
    /// The body until it has been read completely.
    body: Option<B>,
    /// The next output: merged small parts, then at most one large part, then perhaps trailers.
    small: BytesMut,
    large: Bytes,
    trailers: Option<HeaderMap>,
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> StreamWriter<B> {
    pub(super) fn new(body: B, stream: SendStream<Bytes>) -> Self {
        Self { stream, body: Some(body), small: BytesMut::new(), large: Bytes::new(), trailers: None }
    }

    /// Sends the body. Also ends if the server stops reading; the response then says why.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        loop {
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let before = self.small.len();
            self.gather(cx)?;
            if self.body.is_some() && self.large.is_empty() && self.small.len() < GATHER_LIMIT {
                if self.small.is_empty() {
                    return Poll::Pending;
                }
                if self.small.len() > before {
                    // Over HTTP/1.1, hyper yields one chunk per poll, however many have been read.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            while !self.is_empty() && self.stream.capacity() == 0 {
                // A reservation for a whole part would hold back capacity from other streams until all of it is available.
                self.stream.reserve_capacity(1);
                let Some(Ok(_)) = ready!(self.stream.poll_capacity(cx)) else { return Poll::Ready(Ok(())) };
            }
            if self.send().is_err() || (self.body.is_none() && self.is_empty()) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty()
    }

    /// Reads as much of the body as fits.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        while self.large.is_empty() && self.small.len() < GATHER_LIMIT {
            let Some(body) = &mut self.body else { break };
            let Poll::Ready(next) = Pin::new(&mut *body).poll_frame(cx) else { break };
            match next.transpose()?.map(|frame| frame.into_data()) {
                Some(Ok(data)) => {
                    if body.is_end_stream() {
                        self.body = None;
                    }
                    if data.len() <= SMALL {
                        self.small.extend_from_slice(&data);
                    } else {
                        self.large = data;
                    }
                }
                Some(Err(frame)) => (self.body, self.trailers) = (None, frame.into_trailers().ok()),
                None => self.body = None,
            }
        }
        Ok(())
    }

    /// Sends the next part, with end-of-stream on the last.
    fn send(&mut self) -> Result<(), h2::Error> {
        let part = if self.small.is_empty() { std::mem::take(&mut self.large) } else { self.small.split().freeze() };
        let last = self.body.is_none() && self.is_empty();
        match self.trailers.take_if(|_| last) {
            None => self.stream.send_data(part, last),
            Some(trailers) => {
                if !part.is_empty() {
                    self.stream.send_data(part, false)?;
                }
                self.stream.send_trailers(trailers)
            }
        }
    }
}
