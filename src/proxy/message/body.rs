//! A request's body on its way to the upstream. Its frames are kept while they pass, so that it can be sent once more;
//! nothing waits for a whole body. What is kept is bounded per request and for all requests together.

mod caller_body;
mod late;
mod outgoing;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use bytes::Bytes;
use hyper::body::{Body, Incoming};

use self::caller_body::CallerBody;
pub(crate) use self::caller_body::{BodyError, Intake, Patience};
use self::outgoing::BodyReplay;
pub(crate) use self::outgoing::Outgoing;

/// A caller's body, and how often it can still be sent.
pub(crate) struct Upload<B = Incoming>(Option<Rc<RefCell<CallerBody<B>>>>);

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Upload<B> {
    /// Takes a body in.
    pub(crate) fn new(incoming: B, intake: Intake) -> Self {
        let ended = incoming.is_end_stream();
        Self((!ended).then(|| Rc::new(RefCell::new(CallerBody::new(incoming, intake)))))
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
        Some(Outgoing::Stream(BodyReplay::new(source.clone(), held.attempt)))
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
