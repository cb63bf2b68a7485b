//! Reads a caller's body once, whichever attempt sends it.

use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame};

use super::late;
use crate::proxy::limits::budget::Budget;
use crate::proxy::limits::deadline::{Deadline, Waiting};
use crate::proxy::message::expect::ContinueGate;
use crate::proxy::message::headers::Rules;

/// How long either side may be silent while a body is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyTimeouts {
    /// The caller, between two frames.
    pub(crate) caller: Duration,
    /// The upstream, from the last frame to the response head.
    pub(crate) upstream: Duration,
}

/// Settings for reading a caller's body.
pub(crate) struct Intake {
    /// The largest body that is kept.
    pub(crate) keep: u64,
    /// The limit for all requests together.
    pub(crate) budget: Rc<Budget>,
    /// Opens when the caller may be asked for the body (`100 Continue`).
    pub(crate) gate: Option<ContinueGate>,
    /// The deadline that each wait for the caller or the upstream moves.
    pub(crate) deadline: Rc<Deadline>,
    pub(crate) timeouts: BodyTimeouts,
    /// Decide which trailers are removed.
    pub(crate) rules: Rc<Rules>,
    /// Whether the body comes over HTTP/2, where the end of a body is explicit.
    pub(crate) http2: bool,
}

/// Why a body could not be sent completely.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The caller's connection or stream failed.
    #[error("the caller's request body ended early")]
    Caller(#[source] hyper::Error),
    /// The caller reset the stream with NO_ERROR, which hyper reports like an end.
    #[error("the caller's request body was not sent completely")]
    Unfinished,
    /// A later attempt has taken over the body.
    #[error("the repeat took over the body")]
    TakenOver,
    /// The body is shorter or longer than its Content-Length.
    #[error("the body does not have the announced length")]
    Length,
}

/// A body as far as it has been read, and the frames that are kept.
pub(super) struct CallerBody<B> {
    pub(super) incoming: B,
    pub(super) kept: Option<Vec<Bytes>>,
    held: u64,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) ended: bool,
    pub(super) attempt: u32,
    pub(super) watched: bool,
    pub(super) reader: Option<Waker>,
    intake: Intake,
}

impl<B> CallerBody<B> {
    /// Frees the kept frames and keeps no more.
    pub(super) fn stop_keeping(&mut self) {
        self.kept = None;
        self.intake.budget.release(std::mem::take(&mut self.held));
    }

    fn keep(&mut self, data: &Bytes) {
        let Some(kept) = &mut self.kept else { return };
        let length = data.len() as u64;
        if self.held.saturating_add(length) <= self.intake.keep && self.intake.budget.reserve(length) {
            self.held = self.held.saturating_add(length);
            kept.push(data.clone());
        } else {
            self.stop_keeping();
        }
    }

    fn note(&self, waiting: Waiting, limit: Duration) {
        if self.watched && (waiting != Waiting::RequestBody || self.intake.deadline.waiting() != waiting) {
            self.intake.deadline.wait(waiting, limit);
        }
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> CallerBody<B> {
    /// Starts with nothing read and no attempt. If the body is known to be too long, nothing is kept, so it can be repeated only
    /// until it has been read.
    pub(super) fn new(incoming: B, mut intake: Intake) -> Self {
        intake.deadline.body_begins();
        if incoming.size_hint().lower() > intake.keep {
            intake.keep = 0;
        }
        Self {
            incoming,
            kept: Some(Vec::new()),
            held: 0,
            trailers: None,
            ended: false,
            attempt: 0,
            watched: true,
            reader: None,
            intake,
        }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(self.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        if let Some(gate) = &mut self.intake.gate {
            ready!(gate.poll_open(cx));
        }
        let Poll::Ready(next) = late::poll_frame(&mut self.incoming, cx) else {
            self.note(Waiting::RequestBody, self.intake.timeouts.caller);
            return Poll::Pending;
        };
        self.note(Waiting::ResponseHead, self.intake.timeouts.upstream);
        self.intake.deadline.account.record_progress();
        Poll::Ready(match next {
            None if self.intake.http2 && !self.incoming.is_end_stream() => {
                self.stop_keeping();
                Some(Err(BodyError::Unfinished))
            }
            None => {
                self.ended = true;
                None
            }
            Some(Err(error)) => {
                self.stop_keeping();
                Some(Err(BodyError::Caller(error)))
            }
            Some(Ok(frame)) => Some(Ok(self.pass(frame))),
        })
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(data) => {
                self.keep(&data);
                self.ended = self.incoming.is_end_stream();
                Frame::data(data)
            }
            Err(other) => {
                // Over HTTP/2, h2 has dropped pseudo-fields, which make trailers malformed (RFC 9113 §8.1), without a report.
                let mut trailers = other.into_trailers().unwrap_or_default();
                self.intake.rules.strip_trailers(&mut trailers);
                self.trailers = Some(trailers.clone());
                self.ended = true;
                Frame::trailers(trailers)
            }
        }
    }
}

impl<B> Drop for CallerBody<B> {
    fn drop(&mut self) {
        self.stop_keeping();
        self.intake.deadline.body_ends();
    }
}
