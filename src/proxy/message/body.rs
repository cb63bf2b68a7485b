//! A request's body on its way to the upstream. Its frames are kept while they pass, so that it can be sent once more;
//! nothing waits for a whole body. What is kept is bounded per request and for all requests together.

mod late;
mod outgoing;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, Incoming};

use self::outgoing::BodyReplay;
pub(crate) use self::outgoing::Outgoing;
use super::expect::ContinueGate;
use super::headers::Rules;
use crate::proxy::limits::budget::Budget;
use crate::proxy::limits::deadline::{Deadline, Waiting};

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
    #[error("the caller's body broke off")]
    Caller(#[source] hyper::Error),
    /// Its stream was taken back in a way that the library takes for an end: RST_STREAM with NO_ERROR.
    #[error("the caller's body was not sent to its end")]
    Unfinished,
    /// A later attempt has taken the body over.
    #[error("the body was taken over by the repeat")]
    TakenOver,
    /// It is shorter or longer than was announced.
    #[error("the body does not have the length that was announced")]
    Length,
}

struct CallerBody<B> {
    incoming: B,
    kept: Option<Vec<Bytes>>,
    held: u64,
    trailers: Option<HeaderMap>,
    ended: bool,
    attempt: u32,
    watched: bool,
    reader: Option<Waker>,
    intake: Intake,
}

impl<B> CallerBody<B> {
    /// Keeps no more, and gives back what is kept.
    fn settle(&mut self) {
        self.kept = None;
        self.intake.budget.give(std::mem::take(&mut self.held));
    }

    fn keep(&mut self, data: &Bytes) {
        let Some(kept) = &mut self.kept else { return };
        let length = data.len() as u64;
        if self.held.saturating_add(length) <= self.intake.keep && self.intake.budget.take(length) {
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
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
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
        self.intake.deadline.account.moves();
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

/// A caller's body, and how often it can still be sent.
pub(crate) struct Upload<B = Incoming>(Option<Rc<RefCell<CallerBody<B>>>>);

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Upload<B> {
    /// Takes a body in. Of one that is known to be too long nothing is kept; it can be repeated until it is read.
    pub(crate) fn new(incoming: B, mut intake: Intake) -> Self {
        if incoming.is_end_stream() {
            return Self(None);
        }
        intake.deadline.body_begins();
        if incoming.size_hint().lower() > intake.keep {
            intake.keep = 0;
        }
        Self(Some(Rc::new(RefCell::new(CallerBody {
            incoming,
            kept: Some(Vec::new()),
            held: 0,
            trailers: None,
            ended: false,
            attempt: 0,
            watched: true,
            reader: None,
            intake,
        }))))
    }

    /// Whether [`Upload::attempt`] would give one.
    pub(crate) fn can_repeat(&self) -> bool {
        self.0.as_ref().is_none_or(|source| source.borrow().kept.is_some())
    }

    /// The body, for another attempt: what was kept, then the rest of the stream. An earlier attempt that still reads
    /// loses it. `None` when frames have passed that are no longer there.
    pub(crate) fn attempt(&self) -> Option<Outgoing<B>> {
        let Some(source) = &self.0 else { return Some(Outgoing::Empty) };
        let mut held = source.borrow_mut();
        if held.attempt > 0 && held.kept.is_none() {
            return None;
        }
        held.attempt = held.attempt.saturating_add(1);
        held.watched = true;
        // Where the earlier attempt's connection goes on, as in HTTP/2, its sending of this body must end.
        held.reader.take().into_iter().for_each(Waker::wake);
        Some(Outgoing::Stream(BodyReplay {
            source: source.clone(),
            number: held.attempt,
            position: 0,
            trailers_passed: false,
        }))
    }

    /// There will be no other attempt: what is kept is let go.
    pub(crate) fn settle(&self) {
        if let Some(source) = &self.0 {
            source.borrow_mut().settle();
        }
    }

    /// The head is there: nobody waits for caller or upstream on its account any more.
    pub(crate) fn unwatch(&self) {
        if let Some(source) = &self.0 {
            source.borrow_mut().watched = false;
        }
    }

    /// Whether every byte of it has been read from the caller.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.as_ref().is_none_or(|source| source.borrow().ended)
    }
}

impl<B> Clone for Upload<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests;
