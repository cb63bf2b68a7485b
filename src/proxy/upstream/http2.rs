//! An HTTP/2 connection to an upstream. h2 handles the frames; the task that waits for a response polls its stream.
//!
//! hyper's client also uses h2, but it does not expose interim responses, and it passes requests and responses through channels
//! and a task.

mod sending;

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Method, Request, Response, StatusCode, header, response};
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

use self::sending::StreamWriter;
use super::http1::FramingHeaders;
use super::send_error::SendError;
use super::transport::Transport;
use crate::proxy::message::body::Outgoing;
use crate::proxy::message::headers::strip_misnamed;
use crate::proxy::message::interim::{Allowance, InterimResponses, size};

/// The window of one stream is large, so that a large response does not wait for round trips. The window of the connection is
/// larger still, so that one caller that does not read does not stop the others. h2 also derives its limit on small frames from
/// the connection window, and closes the connection above it: with the smallest window, 100 simultaneous gRPC messages would be
/// too many.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// The connection window may take this fraction of the memory limit.
const WINDOW_FRACTION: u64 = 16;

/// The longest header list, as over HTTP/1.1.
const MAX_HEADER_LIST: u32 = 300 << 10;

/// The assumed stream limit until the server announces its own (RFC 9113 §6.5.2 recommends at least 100).
const STREAMS: usize = 100;

/// An HTTP/2 connection. It closes when the last clone and the last response are dropped.
#[derive(Clone)]
pub(crate) struct Http2 {
    requests: SendRequest<Bytes>,
    /// Whether the connection's task has ended, perhaps in a panic: h2 must not be used after that.
    closed: Rc<Cell<bool>>,
}

/// Sets the flag when the task ends, even in a panic.
struct SetOnDrop(Rc<Cell<bool>>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

impl Http2 {
    /// Performs the handshake. `memory` is the process's memory limit.
    pub(crate) async fn new(transport: Transport, memory: u64) -> Result<Self, h2::Error> {
        let window =
            u32::try_from(memory / WINDOW_FRACTION).unwrap_or(u32::MAX).clamp(STREAM_WINDOW, CONNECTION_WINDOW);
        let mut builder = Builder::new();
        builder.enable_push(false).initial_max_send_streams(STREAMS).max_header_list_size(MAX_HEADER_LIST);
        builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(window);
        let (requests, connection) = builder.handshake(transport).await?;
        let closed = Rc::new(Cell::new(false));
        let set_on_drop = SetOnDrop(closed.clone());
        tokio::task::spawn_local(async {
            let _set_on_drop = set_on_drop;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the upstream closed");
            }
        });
        Ok(Self { requests, closed })
    }

    /// Whether it takes no more requests.
    pub(crate) fn is_closed(&mut self) -> bool {
        let gone = |requests: &mut SendRequest<_>| {
            matches!(requests.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
        };
        self.closed.get() || gone(&mut self.requests)
    }

    /// How many concurrent streams the server allows.
    pub(crate) fn room(&self) -> usize {
        if self.closed.get() { 0 } else { self.requests.current_max_send_streams() }
    }

    /// Sends a request and returns once the response head has arrived. Interim responses go to `interim`.
    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
        interim: &InterimResponses<'_>,
    ) -> Result<(response::Parts, Http2Body), SendError> {
        std::future::poll_fn(|cx| self.requests.poll_ready(cx)).await.map_err(unsent)?;
        let (head, body) = request.into_parts();
        let of_head = head.method == Method::HEAD;
        let body = (!body.is_end_stream()).then_some(body);
        let (mut response, stream) = self.requests.send_request(Request::from_parts(head, ()), body.is_none())?;
        let mut sending = body.map(|body| StreamWriter::new(body, stream));
        let mut forwarder = InterimForwarder { interim, allowance: Allowance::default(), says_length: false };
        let mut answered = false;
        let response = std::future::poll_fn(|cx| {
            if let Some(Poll::Ready(sent)) = sending.as_mut().map(|sending| sending.poll(cx)) {
                sending = None;
                sent?;
            }
            while let Poll::Ready(Some(head)) = response.poll_informational(cx) {
                let head = head?;
                answered = true;
                forwarder.forward(head)?;
            }
            Pin::new(&mut response).poll(cx).map_err(SendError::from)
        });
        let response = response.await;
        let why_none = |why: SendError| if answered { why.after_interim() } else { self.required(why) };
        let (mut head, stream) = response.map_err(why_none)?.into_parts();
        strip_misnamed(&mut head.headers);
        FramingHeaders::normalize(&mut head, of_head)?;
        if !of_head && !stream.is_end_stream() {
            forwarder.check_length(&head.headers)?;
        }
        let left = if stream.is_end_stream() { Some(0) } else { content_length(&head.headers) };
        let sending = sending.map(|mut sending| {
            let rest = std::future::poll_fn(move |cx| sending.poll(cx));
            tokio::task::spawn_local(rest).abort_handle()
        });
        Ok((head, Http2Body { stream, left, sending }))
    }
}

/// The interim responses to one request.
struct InterimForwarder<'a> {
    interim: &'a InterimResponses<'a>,
    allowance: Allowance,
    /// Whether one of them has a Content-Length, which none may have (RFC 9110 §8.6).
    says_length: bool,
}

impl InterimForwarder<'_> {
    fn forward(&mut self, response: Response<()>) -> Result<(), SendError> {
        let (mut head, ()) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(SendError::Malformed("101 response over HTTP/2".to_owned()));
        }
        strip_misnamed(&mut head.headers);
        self.allowance.take(size(&head.headers))?;
        self.says_length |= head.headers.contains_key(header::CONTENT_LENGTH);
        self.interim.forward(head.status, head.headers);
        Ok(())
    }

    /// Fails if h2 measures the body by the Content-Length of an interim response, which it does unless the response has its own.
    /// That cannot be turned off, and the body would break off where its length differs.
    fn check_length(&self, last: &HeaderMap) -> Result<(), SendError> {
        if self.says_length && !last.contains_key(header::CONTENT_LENGTH) {
            return Err(SendError::Malformed("Content-Length in an interim response".to_owned()));
        }
        Ok(())
    }
}

/// Pseudo-fields make trailers malformed (RFC 9113 §8.1), and so do those of requests in a response (§8.3). h2 drops both and
/// does not report them, so such a message passes without them.
fn trailers_of(mut trailers: HeaderMap) -> Frame<Bytes> {
    strip_misnamed(&mut trailers);
    Frame::trailers(trailers)
}

/// A response body. If the response begins before the request has been sent, a task sends the rest even if nobody reads the
/// response. Dropping an unfinished body cancels the request.
pub(crate) struct Http2Body {
    stream: RecvStream,
    /// The rest of the Content-Length.
    left: Option<u64>,
    sending: Option<AbortHandle>,
}

impl Http2Body {
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        Poll::Ready(match ready!(self.stream.poll_data(cx)) {
            Some(data) => Some(data.map(|data| Frame::data(self.release(data)))),
            None => ready!(self.stream.poll_trailers(cx)).transpose().map(|trailers| trailers.map(trailers_of)),
        })
    }

    /// Returns the data to the caller and its size to the flow-control window.
    fn release(&mut self, data: Bytes) -> Bytes {
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        // Fails only if the stream has ended, and then nothing more comes.
        let _ = self.stream.flow_control().release_capacity(data.len());
        data
    }

    /// Whether the body is known to have ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.stream.is_end_stream()
    }

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
    /// Returns the reason why there is no response. h2 reports a GOAWAY only on the connection if it arrived before the stream
    /// began, so HTTP_1_1_REQUIRED is looked for there too.
    fn required(&mut self, why: SendError) -> SendError {
        match self.requests.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) if error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED) => {
                SendError::Http1Required
            }
            _ => why,
        }
    }
}

/// Converts an error that occurred before anything was sent.
fn unsent(error: h2::Error) -> SendError {
    match error.into() {
        SendError::Http1Required => SendError::Http1Required,
        _ => SendError::Unsent,
    }
}

/// h2 has already checked that there is at most one and that it is a number.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
