//! A connection of HTTP/2 to an upstream: h2 has the frames, and whoever waits for an answer drives its stream.
//!
//! hyper would use h2 too, but tells nobody what a server says ahead of its answer, and passes a request and its answer
//! through channels and a task.

mod sending;

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Method, Request, StatusCode, header, response};
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

use self::sending::StreamWriter;
use super::http1::FramingHeaders;
use super::send_error::SendError;
use super::transport::Transport;
use crate::proxy::message::body::Outgoing;
use crate::proxy::message::headers::strip_misnamed;
use crate::proxy::message::interim::{Allowance, InterimResponses, size};

/// A large answer must not wait for the round trips of a small window, nor all answers for a caller that does not read its
/// own. What h2 takes for a flood of small frames, and ends the connection for, is measured by the connection's window:
/// with the smallest one a hundred messages of gRPC at once are too many.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// A connection's window takes at most this part of the budget for memory.
const PART: u64 = 16;

/// The longest list of headers, as over HTTP/1.1.
const LONGEST: u32 = 300 << 10;

/// Streams at a time as long as the server has not said how many it takes (RFC 9113 §6.5.2 asks for no fewer).
const STREAMS: usize = 100;

/// A connection of HTTP/2. It closes when the last clone and the last answer are gone.
#[derive(Clone)]
pub(crate) struct Http2 {
    requests: SendRequest<Bytes>,
    /// Whether the connection's task has ended, be it in a panic: then h2 is not asked any more.
    over: Rc<Cell<bool>>,
}

/// Says so whichever way it ends.
struct Ending(Rc<Cell<bool>>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

impl Http2 {
    /// Begins to speak; `memory` is the budget of all.
    pub(crate) async fn new(link: Transport, memory: u64) -> Result<Self, h2::Error> {
        let window = u32::try_from(memory / PART).unwrap_or(u32::MAX).clamp(STREAM_WINDOW, CONNECTION_WINDOW);
        let mut builder = Builder::new();
        builder.enable_push(false).initial_max_send_streams(STREAMS).max_header_list_size(LONGEST);
        builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(window);
        let (requests, connection) = builder.handshake(link).await?;
        let over = Rc::new(Cell::new(false));
        let ending = Ending(over.clone());
        tokio::task::spawn_local(async {
            let _ending = ending;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the upstream closed");
            }
        });
        Ok(Self { requests, over })
    }

    /// Whether it takes no further request.
    pub(crate) fn is_closed(&mut self) -> bool {
        let gone = |requests: &mut SendRequest<_>| {
            matches!(requests.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
        };
        self.over.get() || gone(&mut self.requests)
    }

    /// How many requests at a time its server takes.
    pub(crate) fn room(&self) -> usize {
        if self.over.get() { 0 } else { self.requests.current_max_send_streams() }
    }

    /// Sends a request, up to the head of the answer; `interim` passes on what the server says before.
    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
        interim: &InterimResponses<'_>,
    ) -> Result<(response::Parts, Http2Body), SendError> {
        std::future::poll_fn(|cx| self.requests.poll_ready(cx)).await.map_err(unsent)?;
        let (head, body) = request.into_parts();
        let of_head = head.method == Method::HEAD;
        let body = (!body.is_end_stream()).then_some(body);
        let (mut answer, stream) = self.requests.send_request(Request::from_parts(head, ()), body.is_none())?;
        let mut sending = body.map(|body| StreamWriter::new(body, stream));
        let mut allowance = Allowance::default();
        let answer = std::future::poll_fn(|cx| {
            if let Some(Poll::Ready(sent)) = sending.as_mut().map(|sending| sending.poll(cx)) {
                sending = None;
                sent?;
            }
            while let Poll::Ready(Some(said)) = answer.poll_informational(cx) {
                let (mut said, ()) = said?.into_parts();
                if said.status == StatusCode::SWITCHING_PROTOCOLS {
                    return Poll::Ready(Err(SendError::Malformed("101 response over HTTP/2".to_owned())));
                }
                strip_misnamed(&mut said.headers);
                allowance.take(size(&said.headers))?;
                interim.forward(said.status, said.headers);
            }
            Pin::new(&mut answer).poll(cx).map_err(SendError::from)
        });
        let answer = answer.await;
        let (mut head, stream) = answer.map_err(|why| self.required(why))?.into_parts();
        strip_misnamed(&mut head.headers);
        FramingHeaders::settle(&mut head, of_head)?;
        let left = if stream.is_end_stream() { Some(0) } else { content_length(&head.headers) };
        let sending = sending.map(|mut sending| {
            let rest = std::future::poll_fn(move |cx| sending.poll(cx));
            tokio::task::spawn_local(rest).abort_handle()
        });
        Ok((head, Http2Body { stream, left, sending }))
    }
}

fn trailers_of(mut trailers: HeaderMap) -> Frame<Bytes> {
    strip_misnamed(&mut trailers);
    Frame::trailers(trailers)
}

/// An answer that is being read. Where it has begun before its request was sent, the rest of that is sent meanwhile,
/// whether anybody reads or not. Dropped before its end it is cancelled.
pub(crate) struct Http2Body {
    stream: RecvStream,
    /// What the server has announced, less what has come.
    left: Option<u64>,
    sending: Option<AbortHandle>,
}

impl Http2Body {
    /// Its next part.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        Poll::Ready(match ready!(self.stream.poll_data(cx)) {
            Some(data) => Some(data.map(|data| Frame::data(self.pass(data)))),
            None => ready!(self.stream.poll_trailers(cx)).transpose().map(|trailers| trailers.map(trailers_of)),
        })
    }

    /// What has been taken makes room for more: the caller reads it.
    fn pass(&mut self, data: Bytes) -> Bytes {
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        // It fails where the stream has ended: then nothing more comes.
        let _ = self.stream.flow_control().release_capacity(data.len());
        data
    }

    /// Whether it is known that nothing comes any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// How much is left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl Drop for Http2Body {
    fn drop(&mut self) {
        if let Some(sending) = self.sending.take_if(|_| !self.stream.is_end_stream()) {
            sending.abort();
        }
    }
}

impl Http2 {
    /// Why there is no answer. What a server says while it closes the connection is said of the connection alone, where it
    /// has begun with the stream.
    fn required(&mut self, why: SendError) -> SendError {
        match self.requests.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) if error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED) => {
                SendError::Http1Required
            }
            _ => why,
        }
    }
}

/// Nothing was sent, for this reason.
fn unsent(error: h2::Error) -> SendError {
    match error.into() {
        SendError::Http1Required => SendError::Http1Required,
        _ => SendError::Unsent,
    }
}

/// h2 has seen to it that there is one at most, and that it is a number.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
