//! A request on a connection that is shared by who sends it, who reads its answer, and the pool.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, response};
use hyper::body::{Frame, SizeHint};
use tokio::task::AbortHandle;

use super::Http1;
use crate::proxy::message::attempt::UpstreamRequest;
use crate::proxy::message::interim::InterimResponses;
use crate::proxy::socket::Rewound;
use crate::proxy::upstream::send_error::SendError;
use crate::proxy::upstream::transport::Transport;

/// Sends a request, up to the head of the answer, whose headers go into `spare`.
pub(crate) async fn send(
    http1: &Rc<RefCell<Http1>>,
    request: UpstreamRequest<'_>,
    spare: &Cell<HeaderMap>,
    interim: &InterimResponses<'_>,
) -> Result<(response::Parts, Http1Body), SendError> {
    http1.borrow_mut().begin(request);
    let mut on_interim = |head: response::Parts| interim.forward(head.status, head.headers);
    let head = std::future::poll_fn(|cx| http1.borrow_mut().poll_head(cx, spare, &mut on_interim)).await?;
    Ok((head, Http1Body::new(http1.clone())))
}

/// An answer that is being read. Where it has begun before its request was sent, the rest of that is sent meanwhile,
/// whether anybody reads or not: a caller may read only when it has written all. Dropped before its end it is cancelled.
pub(crate) struct Http1Body {
    http1: Rc<RefCell<Http1>>,
    sending: Option<AbortHandle>,
}

impl Http1Body {
    fn new(http1: Rc<RefCell<Http1>>) -> Self {
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

impl Drop for Http1Body {
    fn drop(&mut self) {
        if let Some(sending) = self.sending.take_if(|_| !self.http1.borrow().has_ended()) {
            sending.abort();
        }
    }
}
