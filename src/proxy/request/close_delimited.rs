//! Responses of unknown length to HTTP/1.0 callers: the end of the connection is the end of the response (RFC 9112 §6.3). If
//! such a response breaks off, only a reset tells it from a complete one.

use std::cell::Cell;
use std::rc::Rc;

use http::{Response, StatusCode, Version};
use hyper::body::Body;

use super::response::CallerResponse;
use crate::proxy::socket::Socket;

/// Whether a response is under way on a connection that ends with the connection.
pub(crate) type Unfinished = Rc<Cell<bool>>;

/// How a caller's socket ends. It is told in advance that it resets: the process may be killed.
pub(crate) struct CloseGuard {
    unfinished: Unfinished,
    resets: bool,
}

impl CloseGuard {
    pub(crate) fn new(unfinished: Unfinished) -> Self {
        Self { unfinished, resets: false }
    }

    pub(crate) fn before_write(&mut self, socket: &Socket) {
        if self.unfinished.get() && !self.resets {
            socket.reset_on_close(true);
            self.resets = true;
        }
    }

    /// Whether the connection may be shut down: everything has been written, and a FIN says nothing wrong.
    pub(crate) fn is_clean(&mut self, socket: &Socket) -> bool {
        if self.resets && !self.unfinished.get() {
            socket.reset_on_close(false);
            self.resets = false;
        }
        !self.resets
    }
}

/// Prepares a response for an HTTP/1.0 caller. `last` is whether the connection closes after it anyway.
pub(super) fn prepare(response: &mut Response<CallerResponse>, to_head: bool, last: bool, unfinished: &Unfinished) {
    let bodyless = to_head || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let close_delimited = !bodyless && response.body().size_hint().exact().is_none();
    if close_delimited {
        unfinished.set(true);
        response.body_mut().ends_with_connection(unfinished.clone());
    }
    if close_delimited || last {
        // hyper adds `Connection: keep-alive` to a response of HTTP/1.1.
        *response.version_mut() = Version::HTTP_10;
    }
}
