//! A request's body on its way to the upstream. Its frames are kept while they pass, so that it can be sent once more;
//! nothing waits for a whole body. What is kept is bounded per request and for all requests together.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::budget::Budget;
use super::expect::Gate;
use super::headers::Rules;
use super::sweep::{Slot, Waiting};

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
    /// Largest body kept; zero for one that is never repeated.
    pub(crate) keep: u64,
    /// Shared by all requests.
    pub(crate) budget: Rc<Budget>,
    /// Opens when the caller may be asked for its body.
    pub(crate) gate: Option<Gate>,
    /// Where the wait for the caller or the upstream is noted.
    pub(crate) slot: Rc<Slot>,
    /// How long each of them may take.
    pub(crate) patience: Patience,
    /// What its trailers must not hold.
    pub(crate) rules: Rc<Rules>,
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The caller's side broke.
    #[error("the caller's body broke off")]
    Caller(#[source] hyper::Error),
    /// A later attempt has taken the body over.
    #[error("the body was taken over by the repeat")]
    TakenOver,
}

struct Source<B> {
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

impl<B> Source<B> {
    /// Keeps no more, and gives back what is kept.
    fn settle(&mut self) {
        self.kept = None;
        self.intake.budget.give(std::mem::take(&mut self.held));
    }

    fn keep(&mut self, data: &Bytes) {
        let Some(kept) = &mut self.kept else { return };
        let length = data.len() as u64;
        if self.held + length <= self.intake.keep && self.intake.budget.take(length) {
            self.held += length;
            kept.push(data.clone());
        } else {
            self.settle();
        }
    }

    fn note(&self, waiting: Waiting, limit: Duration) {
        if self.watched && (waiting != Waiting::RequestBody || self.intake.slot.waiting() != waiting) {
            self.intake.slot.wait(waiting, limit);
        }
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Source<B> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(self.trailers.clone().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        if let Some(gate) = &mut self.intake.gate {
            ready!(gate.poll_open(cx));
        }
        let Poll::Ready(next) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            self.note(Waiting::RequestBody, self.intake.patience.caller);
            return Poll::Pending;
        };
        self.note(Waiting::ResponseHead, self.intake.patience.upstream);
        Poll::Ready(match next {
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

impl<B> Drop for Source<B> {
    fn drop(&mut self) {
        self.settle();
        self.intake.slot.body_ends();
    }
}

/// A caller's body, and how often it can still be sent.
pub(crate) struct Upload<B = Incoming>(Option<Rc<RefCell<Source<B>>>>);

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Upload<B> {
    /// Takes a body in. One that is known to be too long to keep is not kept from the start.
    pub(crate) fn new(incoming: B, intake: Intake) -> Self {
        if incoming.is_end_stream() {
            return Self(None);
        }
        intake.slot.body_begins();
        let too_long = incoming.size_hint().lower() > intake.keep;
        let kept = (!too_long).then(Vec::new);
        Self(Some(Rc::new(RefCell::new(Source {
            incoming,
            kept,
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
        held.attempt += 1;
        held.watched = true;
        // Where the earlier attempt's connection goes on, as in HTTP/2, its sending of this body must end.
        held.reader.take().into_iter().for_each(Waker::wake);
        let number = held.attempt;
        Some(Outgoing::Stream(Stream { source: source.clone(), number, position: 0, trailers_passed: false }))
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

/// A body as one attempt sends it.
pub(crate) enum Outgoing<B = Incoming> {
    /// There is none.
    Empty,
    /// What was kept of it, then the rest.
    Stream(Stream<B>),
}

/// One attempt's reading of a caller's body.
pub(crate) struct Stream<B> {
    source: Rc<RefCell<Source<B>>>,
    number: u32,
    position: usize,
    trailers_passed: bool,
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Stream<B> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut source = self.source.borrow_mut();
        if source.attempt != self.number {
            return Poll::Ready(Some(Err(BodyError::TakenOver)));
        }
        if let Some(data) = source.kept.as_ref().and_then(|kept| kept.get(self.position)) {
            self.position += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if self.trailers_passed {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = source.poll_next(cx) else {
            source.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.position += 1;
        self.trailers_passed = next.as_ref().is_some_and(|frame| frame.as_ref().is_ok_and(Frame::is_trailers));
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        let source = self.source.borrow();
        let passed = source.kept.as_ref().is_none_or(|kept| self.position >= kept.len());
        let trailers = source.trailers.is_some() && !self.trailers_passed;
        passed && !trailers && (source.ended || source.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let source = self.source.borrow();
        let ahead = source.kept.iter().flatten().skip(self.position).map(|data| data.len() as u64).sum::<u64>();
        let rest = source.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(ahead + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(ahead + upper);
        }
        hint
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests;
