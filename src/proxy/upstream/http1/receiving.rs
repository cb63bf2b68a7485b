//! A request and its response on a connection that is shared by the sender, the reader and the pool.

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

/// Sends a request and returns once the response head has arrived. The response headers go into `cached_headers`.
pub(crate) async fn send(
    http1: &Rc<RefCell<Http1>>,
    request: UpstreamRequest<'_>,
    cached_headers: &Cell<HeaderMap>,
    interim: &InterimResponses<'_>,
) -> Result<(response::Parts, Http1Body), SendError> {
    http1.borrow_mut().begin(request);
    let mut on_interim = |head: response::Parts| interim.forward(head.status, head.headers);
    let head = std::future::poll_fn(|cx| http1.borrow_mut().poll_head(cx, cached_headers, &mut on_interim)).await?;
    Ok((head, Http1Body::new(http1.clone())))
}

/// A response body. If the response begins before the request has been sent, a task sends the rest even if the caller does not read the
/// response: a caller may write everything before it reads. Dropping an unfinished body cancels the request.
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

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.http1.borrow_mut().poll_frame(cx)
    }

    /// Whether the whole body has been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.http1.borrow().has_ended()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.http1.borrow().size_hint()
    }

    /// Returns the connection after a 101 response, with the bytes read so far. `None` if anything else still holds the
    /// connection.
    pub(crate) fn into_tunnel(self) -> Option<Rewound<Transport>> {
        let http1 = self.http1.clone();
        drop(self);
        let (buffered, socket) = Rc::into_inner(http1)?.into_inner().into_parts();
        Some(Rewound { buffered, socket })
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        if let Some(sending) = self.sending.take_if(|_| !self.http1.borrow().has_ended()) {
            sending.abort();
        }
    }
}
