//! A connection of HTTP/1.1 in the pool: ours, or hyper's where the names of headers keep the spelling that they came
//! with, because hyper alone knows that of the caller's.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, response};
use hyper::body::{Frame, SizeHint};
use hyper::client::conn::http1::SendRequest;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::http1::{FramingHeaders, Http1};
use super::response_body::Reading;
use super::send_error::SendError;
use super::transport::Transport;
use crate::proxy::message::attempt::UpstreamRequest;
use crate::proxy::message::body::Outgoing;
use crate::proxy::message::interim::{Allowance, Hearing, size};
use crate::proxy::message::version::for_http1;
use crate::proxy::socket::Rewound;

/// So much of what a server says ahead of its answer waits to be heard.
const HEARD: usize = 64;

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
        request: UpstreamRequest<'_>,
        spare: &Cell<HeaderMap>,
        ahead: &Hearing<'_>,
    ) -> Result<(response::Parts, Reading), SendError> {
        match self {
            Self::Direct(http1) => {
                http1.borrow_mut().begin(request);
                let mut told = |head: response::Parts| ahead.hear(head.status, head.headers);
                let head = std::future::poll_fn(|cx| http1.borrow_mut().poll_head(cx, spare, &mut told)).await?;
                Ok((head, Reading::Direct(Ongoing::of(http1))))
            }
            Self::Spelled(sender) => {
                let mut request = request.into_request();
                for_http1(&mut request);
                let of_head = request.method() == Method::HEAD;
                let (tell, mut told) = mpsc::channel(HEARD);
                hyper::ext::on_informational(&mut request, move |said| {
                    let _ = tell.try_send((said.status(), said.headers().clone()));
                });
                let mut allowance = Allowance::default();
                let mut answer = pin!(sender.try_send_request(request));
                let answer = std::future::poll_fn(|cx| {
                    while let Poll::Ready(Some((status, headers))) = told.poll_recv(cx) {
                        allowance.take(size(&headers))?;
                        ahead.hear(status, headers);
                    }
                    answer.as_mut().poll(cx).map_err(SendError::from)
                });
                let (mut head, body) = answer.await?.into_parts();
                FramingHeaders::settle(&mut head, of_head)?;
                Ok((head, Reading::Spelled(body)))
            }
        }
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

    /// Its next part.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.http1.borrow_mut().poll_frame(cx)
    }

    /// Whether all of it has been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.http1.borrow().has_ended()
    }

    /// How much of its body is left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.http1.borrow().size_hint()
    }

    /// The connection, which has left HTTP, and what was read of it. Nobody else may hold it.
    pub(crate) fn into_tunnel(self) -> Option<Rewound<Transport>> {
        let http1 = self.http1.clone();
        drop(self);
        let (ahead, socket) = Rc::into_inner(http1)?.into_inner().into_parts();
        Some(Rewound { ahead, socket })
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        if let Some(sending) = self.sending.take_if(|_| !self.http1.borrow().has_ended()) {
            sending.abort();
        }
    }
}
