//! A request as it goes into the record: begun with its head, ended when the answer's last byte has been passed on or
//! the caller has gone, whichever way that happens.

use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode, Uri};

use super::backend::{Backend, Seat};
use super::error::ProxyError;
use crate::clock::{Moment, SharedClock};
use crate::record::{Blame, Finished, Replay};
use crate::token::grant::Generation;

/// One request's entry. Dropping it is what ends the request.
pub(crate) struct Entry {
    backend: Rc<Backend>,
    clock: SharedClock,
    method: Method,
    uri: Uri,
    began: Moment,
    status: u16,
    code: Option<&'static str>,
    blame: Blame,
    /// How often it was sent.
    pub(crate) attempts: u8,
    /// Which token was sent last.
    pub(crate) generation: Option<Generation>,
    /// From sending it to the head of the answer, the last time.
    pub(crate) upstream: Option<Duration>,
    /// What the repeat gave.
    pub(crate) replay: Option<Replay>,
    /// Its token, once there is nothing more to send: the token must not be revoked before the answer has ended.
    pub(crate) seat: Option<Seat>,
}

impl Entry {
    /// A request has begun.
    pub(crate) fn begin(backend: Rc<Backend>, clock: SharedClock, now: Moment, method: &Method, uri: &Uri) -> Self {
        backend.upstream.record.started();
        Self {
            backend,
            clock,
            method: method.clone(),
            uri: uri.clone(),
            began: now,
            status: 0,
            code: None,
            blame: Blame::Client,
            attempts: 0,
            generation: None,
            upstream: None,
            replay: None,
            seat: None,
        }
    }

    /// The upstream's answer is passed on.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = status.as_u16();
        let token_failed = self.replay.is_some_and(|replay| replay != Replay::Accepted);
        self.blame = match self.status {
            _ if token_failed => Blame::Token,
            500.. => Blame::Upstream,
            400.. => Blame::Client,
            _ => Blame::None,
        };
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

    /// What the caller asked for.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.backend.upstream.record.finished(&Finished {
            at: self.clock.wall(),
            method: &self.method,
            path: self.uri.path(),
            status: self.status,
            code: self.code,
            blame: self.blame,
            attempts: self.attempts,
            generation: self.generation.map(|generation| generation.0),
            whole: self.clock.now().since(self.began),
            upstream: self.upstream,
            replay: self.replay,
        });
    }
}
