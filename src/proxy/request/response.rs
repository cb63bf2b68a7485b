//! An answer's body on its way to the caller, with all that ends when it ends.

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
use crate::proxy::settings::Base;
use crate::proxy::socket::Rewound;
use crate::proxy::upstream::pool::{CheckedOut, Pool};
use crate::proxy::upstream::response_body::{ReadError, ResponseBody};
use crate::proxy::upstream::transport::Transport;

/// The upstream's answer, as far as it has been read.
pub(crate) struct UpstreamResponse {
    /// Its head.
    pub(crate) head: http::response::Parts,
    /// What stands in it.
    pub(crate) known: KnownHeaders,
    /// Its body.
    pub(crate) body: UpstreamBody,
}

/// The body of an upstream's answer.
pub(crate) struct UpstreamBody {
    /// What was read ahead, to be passed on first.
    pub(crate) ahead: VecDeque<Result<Frame<Bytes>, ReadError>>,
    rest: ResponseBody,
    /// Why it breaks off. Told a turn late: hyper then has passed on what came before, where both came at once.
    failure: Option<ReadError>,
    lease: Option<CheckedOut>,
    from: Rc<Pool>,
}

impl UpstreamBody {
    /// Nothing read yet. A connection whose answer has no body is free at once. There is no lease on one that has
    /// become a tunnel.
    pub(crate) fn new(rest: ResponseBody, from: Rc<Pool>, lease: Option<CheckedOut>) -> Self {
        let mut body = Self { ahead: VecDeque::new(), rest, failure: None, lease, from };
        body.release_at_end();
        body
    }

    /// Reads one frame ahead; `None` at the end. What is read is passed on all the same.
    pub(crate) async fn read_ahead(&mut self) -> Option<&Frame<Bytes>> {
        let next = std::future::poll_fn(|cx| self.poll_rest(cx)).await?;
        self.ahead.push_back(next);
        self.ahead.back()?.as_ref().ok()
    }

    /// Keeps a map for the head of an answer to come.
    pub(crate) fn keep(&self, mut spare: HeaderMap) {
        spare.clear();
        self.from.spare_headers.set(spare);
    }

    /// Where it comes from.
    pub(crate) fn base(&self) -> &Base {
        &self.from.base
    }

    /// How long it is, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// The connection, where it has become a tunnel.
    pub(crate) fn into_tunnel(self) -> Option<Rewound<Transport>> {
        self.rest.into_tunnel()
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        match ready!(self.rest.poll_frame(cx)) {
            Some(Ok(frame)) => {
                self.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(failure)) => {
                tracing::info!(upstream = ?self.from.base.authority, error = %failure, "response ended early");
                (self.lease, self.failure) = (None, Some(failure));
                cx.waker().wake_by_ref();
                Poll::Pending
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
        match self.ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => self.poll_rest(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.rest.has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        if self.ahead.is_empty() {
            return self.rest.size_hint();
        }
        let data = self.ahead.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
        let ahead = data.map(|data| data.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(ahead.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(ahead.saturating_add(upper));
        }
        hint
    }
}

enum Content {
    Own(Bytes),
    Upstream(UpstreamBody),
}

/// An answer's body. The fields end in order: first the connection to the upstream, then the exchange for the
/// record, then the place among the caller's requests in flight.
pub(crate) struct CallerResponse {
    content: Content,
    exchange: Option<Box<Exchange>>,
    _in_flight: InFlight,
    /// Whether the end of the body has been passed on.
    ended: bool,
}

impl CallerResponse {
    /// A body that bearerd made.
    pub(crate) fn own(text: Bytes, exchange: Option<Box<Exchange>>, in_flight: InFlight) -> Self {
        Self { content: Content::Own(text), exchange, _in_flight: in_flight, ended: false }
    }

    /// The upstream's body.
    pub(crate) fn upstream(body: UpstreamBody, exchange: Box<Exchange>, in_flight: InFlight) -> Self {
        Self { content: Content::Upstream(body), exchange: Some(exchange), _in_flight: in_flight, ended: false }
    }
}

/// The caller has gone, the upstream broke off, or the grace has run out: what was passed on is not the whole.
impl Drop for CallerResponse {
    fn drop(&mut self) {
        if let (Content::Upstream(body), Some(exchange)) = (&self.content, &mut self.exchange) {
            exchange.cut = !self.ended && !body.is_end_stream();
        }
    }
}

impl Body for CallerResponse {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let answer = self.get_mut();
        match &mut answer.content {
            Content::Own(text) if text.is_empty() => Poll::Ready(None),
            Content::Own(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Content::Upstream(body) => {
                let frame = body.poll_frame(cx);
                answer.ended |= matches!(frame, Poll::Ready(None));
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
