//! A caller's body as one attempt sends it: the kept frames, then the rest of the stream.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::caller_body::{BodyError, CallerBody};

pub(crate) enum Outgoing<B = Incoming> {
    /// No body.
    Empty,
    /// The kept frames, then the rest of the stream.
    Stream(BodyReplay<B>),
}

/// The position of one attempt in a caller's body.
pub(crate) struct BodyReplay<B> {
    source: Rc<RefCell<CallerBody<B>>>,
    /// The number of this attempt. A later one takes over the body.
    number: u32,
    position: usize,
    trailers_passed: bool,
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> BodyReplay<B> {
    pub(super) fn new(source: Rc<RefCell<CallerBody<B>>>, number: u32) -> Self {
        Self { source, number, position: 0, trailers_passed: false }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut source = self.source.borrow_mut();
        if source.attempt != self.number {
            return Poll::Ready(Some(Err(BodyError::TakenOver)));
        }
        if let Some(data) = source.kept.as_ref().and_then(|kept| kept.get(self.position)) {
            self.position = self.position.saturating_add(1);
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if self.trailers_passed {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = source.poll_next(cx) else {
            source.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.position = self.position.saturating_add(1);
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
        let kept_bytes = source.kept.iter().flatten().skip(self.position).map(|data| data.len() as u64).sum::<u64>();
        let rest = source.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(kept_bytes.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(kept_bytes.saturating_add(upper));
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
