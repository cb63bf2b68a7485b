//! One attempt with one token, on as many connections as it takes: a pooled connection may be dead, a stream refused, or
//! HTTP/1.1 required. The API has not processed the request on any but the last, or may process it twice.

use http::Method;

use super::pending::PendingRequest;
use super::response::UpstreamResponse;
use crate::proxy::backend::Rendered;
use crate::proxy::error::{Fault, ProxyError};
use crate::proxy::upstream::pool::Connection;
use crate::proxy::upstream::send_error::SendError;

/// How often a request is sent again because the server refused its stream.
const REFUSALS: u8 = 3;

/// Why a request was sent again with the same token.
#[derive(Default)]
struct Tried {
    /// How often its stream was refused.
    refusals: u8,
    /// Whether a connection that was used before was the reason.
    fresh: bool,
    /// Whether HTTP/2 was.
    http1: bool,
}

impl PendingRequest {
    /// Sends the request with this token, up to the head of the answer.
    pub(super) async fn send(&mut self, with: &Rendered) -> Result<UpstreamResponse, ProxyError> {
        self.entry.attempts = self.entry.attempts.saturating_add(1);
        self.entry.generation = Some(with.token.generation);
        let mut tried = Tried::default();
        loop {
            let may_reuse = !tried.fresh && !self.upgrade;
            let mut now = self.clock.now();
            let taken = may_reuse.then(|| with.pool.take(now)).flatten();
            let reused = taken.is_some();
            let connection = match taken {
                Some(connection) => connection,
                None => {
                    let opened = self.open(with).await?;
                    now = self.clock.now();
                    opened
                }
            };
            match self.send_on(connection, with, now).await {
                Ok(answer) => return Ok(answer),
                Err(why) => self.try_again(why, reused, with, &mut tried)?,
            }
        }
    }

    /// Whether the request may be sent once more after this; otherwise, what the caller is told.
    fn try_again(&self, why: SendError, reused: bool, with: &Rendered, tried: &mut Tried) -> Result<(), ProxyError> {
        let repeatable = self.upload.can_repeat();
        if !reused && matches!(why, SendError::Broken(_) | SendError::Malformed(_) | SendError::Reset(_)) {
            with.pool.doubt_http1();
        }
        let name = &self.backend().upstream.settings.name;
        match why {
            SendError::Unsent if reused => return Ok(()),
            SendError::Refused if tried.refusals < REFUSALS && repeatable => {
                tried.refusals = tried.refusals.saturating_add(1);
                return Ok(());
            }
            SendError::Http1Required => {
                with.pool.require_http1();
                if repeatable && !std::mem::replace(&mut tried.http1, true) {
                    return Ok(());
                }
            }
            // The server closed a connection that was idle, just when it was used, or what it said of another request
            // was on its way. What may be done twice is.
            SendError::Broken(_) | SendError::Malformed(_)
                if reused && is_idempotent(&self.entry.head.method) && repeatable =>
            {
                tried.fresh = true;
                return Ok(());
            }
            SendError::Malformed(why) => {
                tracing::warn!(upstream = %name, why, "the upstream's answer cannot be read");
                return Err(ProxyError::Upstream(Fault::Malformed));
            }
            SendError::Broken(why) | SendError::Reset(why) => {
                tracing::info!(upstream = %name, why, "the upstream gave no answer");
            }
            SendError::For(error) => return Err(error),
            SendError::Unsent | SendError::Refused => {}
        }
        Err(ProxyError::Upstream(Fault::Reset))
    }

    async fn open(&self, with: &Rendered) -> Result<Connection, ProxyError> {
        let opened = if self.upgrade { with.pool.open_for_upgrade().await } else { with.pool.open().await };
        opened.map_err(|fault| {
            with.pool.doubt_http1();
            ProxyError::Upstream(fault)
        })
    }
}

/// RFC 9110 §9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}
