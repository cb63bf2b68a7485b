//! A connection of HTTP/1.1 in the pool: ours, or hyper's where the names of headers keep the spelling that they came
//! with, because hyper alone knows that of the caller's.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

use super::body::Outgoing;
use super::http1::Http1;
use super::interim::Ahead;
use super::link::Link;
use super::outbound::Outbound;
use super::socket::Rewound;
use super::unanswered::Unanswered;
use super::version::for_http1;

/// A connection of HTTP/1.1.
pub(crate) enum Line {
    /// Ours.
    Direct(Rc<RefCell<Http1>>),
    /// hyper's.
    Spelled(SendRequest<Outgoing>),
}

impl Line {
    /// Whether it takes no further request. To be asked between two requests.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Direct(http1) => http1.borrow_mut().is_closed(),
            Self::Spelled(sender) => sender.is_closed(),
        }
    }

    /// Whether it takes a request now.
    pub(crate) fn is_free(&self) -> bool {
        match self {
            Self::Direct(http1) => http1.borrow().is_free(),
            Self::Spelled(sender) => sender.is_ready(),
        }
    }

    /// Whether it is worth keeping after an answer that was read to its end. hyper's is free a moment later.
    pub(crate) fn may_rest(&self) -> bool {
        match self {
            Self::Direct(http1) => http1.borrow().is_free(),
            Self::Spelled(sender) => !sender.is_closed(),
        }
    }

    /// Gives back memory that it needs for long answers alone.
    pub(crate) fn tidy(&self) {
        if let Self::Direct(http1) = self {
            http1.borrow_mut().tidy();
        }
    }

    /// Sends a request, up to the head of the answer, which goes into `spare`.
    pub(crate) async fn send(
        &mut self,
        request: Outbound<'_>,
        spare: &Cell<HeaderMap>,
        ahead: &Ahead,
    ) -> Result<(response::Parts, Reading), Unanswered> {
        match self {
            Self::Direct(http1) => {
                http1.borrow_mut().begin(request);
                let mut told = |head| ahead.hear(head);
                let head = std::future::poll_fn(|cx| http1.borrow_mut().poll_head(cx, spare, &mut told)).await?;
                Ok((head, Reading::Direct(Ongoing::of(http1))))
            }
            Self::Spelled(sender) => {
                let mut request = request.into_request();
                for_http1(&mut request);
                if let Some(asked) = ahead.asked.clone() {
                    hyper::ext::on_informational(&mut request, move |answer| {
                        if answer.status() == StatusCode::CONTINUE {
                            asked.open();
                        }
                    });
                }
                let (head, body) = sender.try_send_request(request).await?.into_parts();
                Ok((head, Reading::Hyper(body)))
            }
        }
    }
}

/// Where the body of an answer comes from.
pub(crate) enum Reading {
    /// A connection of ours.
    Direct(Ongoing),
    /// One of hyper's.
    Hyper(Incoming),
}

/// Why an answer ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// On a connection of ours.
    #[error(transparent)]
    Direct(#[from] io::Error),
    /// On one of hyper's.
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
}

impl Reading {
    /// Its next part.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        match self {
            Self::Direct(ongoing) => ongoing.http1.borrow_mut().poll_frame(cx).map_err(ReadError::Direct),
            Self::Hyper(incoming) => Pin::new(incoming).poll_frame(cx).map_err(ReadError::Hyper),
        }
    }

    /// Whether it is known that nothing comes any more.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Direct(ongoing) => ongoing.http1.borrow().has_ended(),
            Self::Hyper(incoming) => incoming.is_end_stream(),
        }
    }

    /// How much is left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Direct(ongoing) => ongoing.http1.borrow().size_hint(),
            Self::Hyper(incoming) => incoming.size_hint(),
        }
    }

    /// The connection, which has left HTTP, and what was read of it. Nobody else may hold it.
    pub(crate) fn into_tunnel(self) -> Option<Rewound<Link>> {
        let Self::Direct(ongoing) = self else { return None };
        let http1 = ongoing.http1.clone();
        drop(ongoing);
        let (ahead, socket) = Rc::into_inner(http1)?.into_inner().into_parts();
        Some(Rewound { ahead, socket })
    }
}

/// An answer that is being read. Where it has begun before its request was sent, the rest of that is sent meanwhile,
/// whether anybody reads or not: a caller may read only when it has written all. Dropped before its end it is cancelled.
pub(crate) struct Ongoing {
    http1: Rc<RefCell<Http1>>,
    sending: Option<AbortHandle>,
}

impl Ongoing {
    fn of(http1: &Rc<RefCell<Http1>>) -> Self {
        let http1 = http1.clone();
        let sending = (!http1.borrow().is_sent()).then(|| {
            let http1 = http1.clone();
            let sending = std::future::poll_fn(move |cx| http1.borrow_mut().poll_send(cx));
            tokio::task::spawn_local(sending).abort_handle()
        });
        Self { http1, sending }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        if let Some(sending) = self.sending.take_if(|_| !self.http1.borrow().has_ended()) {
            sending.abort();
        }
    }
}
