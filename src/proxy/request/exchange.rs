//! A request as it goes into the record: begun with its head, ended when the answer's last byte has been passed on or
//! the caller has gone, whichever way that happens. Its head stays for the repeat until there is an answer.

use std::rc::Rc;
use std::time::Duration;

use http::{Extensions, HeaderMap, StatusCode, request};

use crate::clock::{Moment, SharedClock};
use crate::proxy::backend::{Backend, TokenSlot};
use crate::proxy::error::ProxyError;
use crate::proxy::limits::limiter::InUse;
use crate::record::{Blame, Finished, Replay};
use crate::token::grant::Generation;

/// One request and what came of it. Dropping it ends the request.
pub(crate) struct Exchange {
    /// Whose request it is.
    pub(crate) backend: Rc<Backend>,
    /// What the caller asked for; without what must not pass, as soon as that is stripped.
    pub(crate) head: request::Parts,
    clock: SharedClock,
    began: Moment,
    status: u16,
    code: Option<&'static str>,
    blame: Blame,
    /// Whether the answer was broken off.
    pub(crate) cut: bool,
    /// How often it was sent.
    pub(crate) attempts: u8,
    /// Which token was sent last.
    pub(crate) generation: Option<Generation>,
    /// From sending it to the head of the answer, the last time.
    pub(crate) upstream: Option<Duration>,
    /// What the repeat gave.
    pub(crate) replay: Option<Replay>,
    /// Its token, once there is nothing more to send: the token must not be revoked before the answer has ended.
    pub(crate) token_slot: Option<TokenSlot>,
    /// Its place among those in flight, if it got one.
    pub(crate) place: Option<InUse>,
}

impl Exchange {
    /// A request has begun.
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
            place: None,
        }
    }

    /// The upstream's answer is passed on. The map of the request's headers comes back: nothing is sent any more, and an
    /// answer may be read for hours.
    pub(crate) fn answered(&mut self, status: StatusCode) -> HeaderMap {
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

    /// bearerd answers itself.
    pub(crate) fn failed(&mut self, error: &ProxyError) {
        let row = error.row();
        (self.status, self.code, self.blame) = (row.status.as_u16(), Some(row.code), row.blame);
    }

    /// When it began.
    pub(crate) fn began(&self) -> Moment {
        self.began
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Where the answer has begun, its status is what the caller has got.
            let status = self.status;
            self.failed(&ProxyError::Internal);
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
