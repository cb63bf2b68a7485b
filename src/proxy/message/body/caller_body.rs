//! A caller's body as it is read: once, whoever sends it on.

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
pub(crate) struct Patience {
    /// The caller, between two frames.
    pub(crate) caller: Duration,
    /// The upstream, from the last frame to its head.
    pub(crate) upstream: Duration,
}

/// What it takes to read a caller's body.
pub(crate) struct Intake {
    /// Largest body kept.
    pub(crate) keep: u64,
    /// Shared by all requests.
    pub(crate) budget: Rc<Budget>,
    /// Opens when the caller may be asked for its body.
    pub(crate) gate: Option<ContinueGate>,
    /// Where the wait for the caller or the upstream is noted.
    pub(crate) deadline: Rc<Deadline>,
    /// How long each of them may take.
    pub(crate) patience: Patience,
    /// What its trailers must not hold.
    pub(crate) rules: Rc<Rules>,
    /// It comes over HTTP/2, where every end is said.
    pub(crate) http2: bool,
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The caller's side broke.
    #[error("the caller's request body ended early")]
    Caller(#[source] hyper::Error),
    /// Its stream was taken back in a way that the library takes for an end: RST_STREAM with NO_ERROR.
    #[error("the caller's request body was not sent completely")]
    Unfinished,
    /// A later attempt has taken the body over.
    #[error("the repeat took over the body")]
    TakenOver,
    /// It is shorter or longer than was announced.
    #[error("the body does not have the announced length")]
    Length,
}

/// What has been read of a body, and what is kept of it.
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
    /// Keeps no more, and gives back what is kept.
    pub(super) fn settle(&mut self) {
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
            self.settle();
        }
    }

    fn note(&self, waiting: Waiting, limit: Duration) {
        if self.watched && (waiting != Waiting::RequestBody || self.intake.deadline.waiting() != waiting) {
            self.intake.deadline.wait(waiting, limit);
        }
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> CallerBody<B> {
    /// Nothing read yet, and no attempt begun. Of one that is known to be too long nothing is kept; it can be repeated
    /// until it is read.
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

    /// Its next part.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(self.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        if let Some(gate) = &mut self.intake.gate {
            ready!(gate.poll_open(cx));
        }
        let Poll::Ready(next) = late::poll_frame(&mut self.incoming, cx) else {
            self.note(Waiting::RequestBody, self.intake.patience.caller);
            return Poll::Pending;
        };
        self.note(Waiting::ResponseHead, self.intake.patience.upstream);
        self.intake.deadline.account.record_progress();
        Poll::Ready(match next {
            None if self.intake.http2 && !self.incoming.is_end_stream() => {
                self.settle();
                Some(Err(BodyError::Unfinished))
            }
            None => {
                self.ended = true;
                None
            }
            Some(Err(error)) => {
                self.settle();
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
        self.settle();
        self.intake.deadline.body_ends();
    }
}
