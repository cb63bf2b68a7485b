//! A request as the record sees it. It begins with the request's head, and ends when the last byte of the response has been
//! passed on or the caller is gone. It keeps the head for a repeat until there is a response.

use std::rc::Rc;
use std::time::Duration;

use http::{Extensions, HeaderMap, StatusCode, request};

use crate::clock::{Moment, SharedClock};
use crate::proxy::backend::{Backend, TokenSlot};
use crate::proxy::error::ProxyError;
use crate::proxy::limits::limiter::InUse;
use crate::record::{Blame, Finished, Replay};
use crate::token::grant::Generation;

/// One request and its outcome. Dropping it writes the record.
pub(crate) struct Exchange {
    /// The backend that serves the request.
    pub(crate) backend: Rc<Backend>,
    /// The caller's request head; stripped once the request has been accepted.
    pub(crate) head: request::Parts,
    clock: SharedClock,
    began: Moment,
    status: u16,
    code: Option<&'static str>,
    blame: Blame,
    /// Whether the response was cut short.
    pub(crate) cut: bool,
    /// How many attempts were sent.
    pub(crate) attempts: u8,
    /// The generation of the token that was sent last.
    pub(crate) generation: Option<Generation>,
    /// How long the last attempt took to its response head.
    pub(crate) upstream: Option<Duration>,
    /// How the repeat ended, if there was one.
    pub(crate) replay: Option<Replay>,
    /// The token's slot, held until the response has ended: the token must not be revoked before that.
    pub(crate) token_slot: Option<TokenSlot>,
    /// The request's permit from the limiter.
    pub(crate) permit: Option<InUse>,
}

impl Exchange {
    pub(crate) fn begin(backend: Rc<Backend>, clock: SharedClock, now: Moment, head: request::Parts) -> Self {
        backend.upstream.record.started();
        Self {
            backend,
            head,
            clock,
            began: now,
            status: 0,
            code: None,
            blame: Blame::Client,
            cut: false,
            attempts: 0,
            generation: None,
            upstream: None,
            replay: None,
            token_slot: None,
            permit: None,
        }
    }

    /// Records the status of the response that is passed on. Returns the map of request headers: nothing is sent any more, and a
    /// response may stream for hours.
    pub(crate) fn record_response(&mut self, status: StatusCode) -> HeaderMap {
        self.status = status.as_u16();
        self.head.extensions = Extensions::new();
        let token_failed = self.replay.is_some_and(|replay| replay != Replay::Accepted);
        self.blame = match self.status {
            _ if token_failed => Blame::Token,
            500.. => Blame::Upstream,
            400.. => Blame::Client,
            _ => Blame::None,
        };
        std::mem::take(&mut self.head.headers)
    }

    /// Records that bearerd responds itself with this error.
    pub(crate) fn record_error(&mut self, error: &ProxyError) {
        let row = error.row();
        (self.status, self.code, self.blame) = (row.status.as_u16(), Some(row.code), row.blame);
    }

    pub(crate) fn began(&self) -> Moment {
        self.began
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // If the response has begun, its status is the one that the caller has seen.
            let status = self.status;
            self.record_error(&ProxyError::Internal);
            self.status = if status == 0 { self.status } else { status };
        }
        self.backend.upstream.record.finished(&Finished {
            at: self.clock.wall(),
            method: &self.head.method,
            path: self.head.uri.path(),
            status: self.status,
            code: self.code,
            blame: self.blame,
            cut: self.cut,
            attempts: self.attempts,
            generation: self.generation.map(|generation| generation.0),
            whole: self.clock.now().since(self.began),
            upstream: self.upstream,
            replay: self.replay,
        });
    }
}
