//! Streams a response body to the caller, and releases the connection and the exchange when it ends.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};

use super::exchange::Exchange;
use crate::proxy::limits::in_flight::InFlight;
use crate::proxy::message::headers::known::KnownHeaders;
use crate::proxy::message::headers::response::strip_trailers;
use crate::proxy::settings::Base;
use crate::proxy::socket::Rewound;
use crate::proxy::upstream::pool::{CheckedOut, Pool};
use crate::proxy::upstream::response_body::{ReadError, ResponseBody};
use crate::proxy::upstream::transport::Transport;

/// An upstream's response, as far as it has been read.
pub(crate) struct UpstreamResponse {
    pub(crate) head: http::response::Parts,
    /// Which known headers it has.
    pub(crate) known: KnownHeaders,
    pub(crate) body: UpstreamBody,
}

/// The body of an upstream's response.
pub(crate) struct UpstreamBody {
    /// Frames that were read to inspect the body, and that go to the caller first.
    pub(crate) buffered: VecDeque<Frame<Bytes>>,
    rest: ResponseBody,
    /// Why the body ends early. Reported one poll late: hyper has then flushed the head and the data that came before.
    failure: Option<ReadError>,
    /// Whether hyper has had that poll.
    flushing: bool,
    lease: Option<CheckedOut>,
    pool: Rc<Pool>,
}

impl UpstreamBody {
    /// Creates a body of which nothing has been read. If there is no body, the connection is released at once. A connection that
    /// has become a tunnel has no lease.
    pub(crate) fn new(rest: ResponseBody, pool: Rc<Pool>, lease: Option<CheckedOut>) -> Self {
        let mut body = Self { buffered: VecDeque::new(), rest, failure: None, flushing: false, lease, pool };
        body.release_at_end();
        body
    }

    /// Reads and buffers one frame; returns `None` at the end, and if the body ends early. The caller still gets both.
    pub(crate) async fn read_ahead(&mut self) -> Option<&Frame<Bytes>> {
        let next = std::future::poll_fn(|cx| self.poll_next(cx)).await?;
        match next {
            Ok(frame) => self.buffered.push_back(frame),
            Err(failure) => {
                self.failure = Some(failure);
                return None;
            }
        }
        self.buffered.back()
    }

    /// Keeps a header map for the head of a later response, which saves an allocation.
    pub(crate) fn reuse(&self, mut headers: HeaderMap) {
        headers.clear();
        self.pool.cached_headers.set(headers);
    }

    /// The base URL that the response came from.
    pub(crate) fn base(&self) -> &Base {
        &self.pool.base
    }

    /// The length, if it is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Returns the connection if it has become a tunnel.
    pub(crate) fn into_tunnel(self) -> Option<Rewound<Transport>> {
        self.rest.into_tunnel()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        match ready!(self.rest.poll_frame(cx)) {
            Some(Ok(mut frame)) => {
                frame.trailers_mut().into_iter().for_each(strip_trailers);
                self.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(failure)) => {
                tracing::info!(upstream = ?self.pool.base.authority, error = %failure, "response ended early");
                self.lease = None;
                Poll::Ready(Some(Err(failure)))
            }
            None => {
                self.lease.take().into_iter().for_each(CheckedOut::release);
                Poll::Ready(None)
            }
        }
    }

    fn release_at_end(&mut self) {
        if self.rest.has_ended() {
            self.lease.take().into_iter().for_each(CheckedOut::release);
        }
    }
}

impl UpstreamBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        if let Some(frame) = self.buffered.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.failure.is_none() {
            match ready!(self.poll_next(cx)) {
                Some(Err(failure)) => self.failure = Some(failure),
                next => return Poll::Ready(next),
            }
        }
        if !std::mem::replace(&mut self.flushing, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.failure.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.buffered.is_empty() && self.failure.is_none() && self.rest.has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        if self.buffered.is_empty() {
            return self.rest.size_hint();
        }
        let data = self.buffered.iter().filter_map(Frame::data_ref);
        let buffered = data.map(|data| data.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(buffered.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(buffered.saturating_add(upper));
        }
        hint
    }
}

enum Content {
    Own(Bytes),
    Upstream(UpstreamBody),
}

/// The body of a response to the caller. The order of the fields is the order of their drops: first the upstream connection, then
/// the exchange (which writes the record), then the count of requests in flight.
pub(crate) struct CallerResponse {
    content: Content,
    exchange: Option<Box<Exchange>>,
    _in_flight: InFlight,
    /// Whether hyper has polled the body to its end.
    ended: bool,
    /// Cleared once the body has ended, if the end of the connection is the end of the body.
    unfinished: Option<Rc<Cell<bool>>>,
}

impl CallerResponse {
    /// Creates a response body that bearerd itself produces.
    pub(crate) fn own(text: Bytes, exchange: Option<Box<Exchange>>, in_flight: InFlight) -> Self {
        Self { content: Content::Own(text), exchange, _in_flight: in_flight, ended: false, unfinished: None }
    }

    /// Notes that the end of the connection is the end of this body.
    pub(super) fn ends_with_connection(&mut self, unfinished: Rc<Cell<bool>>) {
        self.unfinished = Some(unfinished);
    }

    pub(crate) fn upstream(body: UpstreamBody, exchange: Box<Exchange>, in_flight: InFlight) -> Self {
        let (content, exchange) = (Content::Upstream(body), Some(exchange));
        Self { content, exchange, _in_flight: in_flight, ended: false, unfinished: None }
    }
}

/// Marks the exchange as cut if the caller left, the upstream broke off or the grace period ran out before the end.
impl Drop for CallerResponse {
    fn drop(&mut self) {
        if let (Content::Upstream(body), Some(exchange)) = (&self.content, &mut self.exchange) {
            exchange.cut = !self.ended && !body.is_end_stream();
            self.unfinished.iter().for_each(|unfinished| unfinished.set(exchange.cut));
        }
    }
}

impl Body for CallerResponse {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let response = self.get_mut();
        match &mut response.content {
            Content::Own(text) if text.is_empty() => Poll::Ready(None),
            Content::Own(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Content::Upstream(body) => {
                let frame = body.poll_frame(cx);
                response.ended |= matches!(frame, Poll::Ready(None));
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(text) => text.is_empty(),
            Content::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(text) => SizeHint::with_exact(text.len() as u64),
            Content::Upstream(body) => body.size_hint(),
        }
    }
}
