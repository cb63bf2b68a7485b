//! A request body on its way to the upstream. Frames are forwarded as they arrive and kept for a repeat, within a limit per
//! request and one for all requests.

mod caller_body;
mod late;
mod outgoing;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use bytes::Bytes;
use hyper::body::{Body, Incoming};

use self::caller_body::CallerBody;
pub(crate) use self::caller_body::{BodyError, BodyTimeouts, Intake};
use self::outgoing::BodyReplay;
pub(crate) use self::outgoing::Outgoing;

/// A caller's request body.
pub(crate) struct Upload<B = Incoming>(Option<Rc<RefCell<CallerBody<B>>>>);

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Upload<B> {
    pub(crate) fn new(incoming: B, intake: Intake) -> Self {
        let ended = incoming.is_end_stream();
        Self((!ended).then(|| Rc::new(RefCell::new(CallerBody::new(incoming, intake)))))
    }

    /// Whether another attempt can send the body.
    pub(crate) fn can_repeat(&self) -> bool {
        self.0.as_ref().is_none_or(|source| source.borrow().kept.is_some())
    }

    /// The body for another attempt: the kept frames, then the rest of the stream. An earlier attempt that is still reading gets
    /// an error. `None` if frames that have been sent are no longer kept.
    pub(crate) fn attempt(&self) -> Option<Outgoing<B>> {
        let Some(source) = &self.0 else { return Some(Outgoing::Empty) };
        let mut held = source.borrow_mut();
        if held.attempt > 0 && held.kept.is_none() {
            return None;
        }
        held.attempt = held.attempt.saturating_add(1);
        held.watched = true;
        // If the connection of the earlier attempt stays open, as in HTTP/2, its task must notice that it has lost the body.
        held.reader.take().into_iter().for_each(Waker::wake);
        Some(Outgoing::Stream(BodyReplay::new(source.clone(), held.attempt)))
    }

    /// Frees the kept frames: there will be no other attempt.
    pub(crate) fn stop_keeping(&self) {
        if let Some(source) = &self.0 {
            source.borrow_mut().stop_keeping();
        }
    }

    /// Stops the body from moving the deadline, once the response head has arrived.
    pub(crate) fn unwatch(&self) {
        if let Some(source) = &self.0 {
            source.borrow_mut().watched = false;
        }
    }

    /// Whether the whole body has been read from the caller.
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
