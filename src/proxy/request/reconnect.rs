//! Sends one attempt, on several connections if need be: a pooled connection may be dead, the server may refuse the stream, or it
//! may require HTTP/1.1. A request is sent again only if the API has not processed it, or may safely process it twice.

use http::Method;

use super::pending::PendingRequest;
use super::response::UpstreamResponse;
use crate::proxy::backend::Rendered;
use crate::proxy::error::{Fault, ProxyError};
use crate::proxy::upstream::pool::Connection;
use crate::proxy::upstream::send_error::SendError;

/// How often a request is sent again after the server has refused its stream.
const REFUSALS: u8 = 3;

/// Why this attempt has been sent again so far.
#[derive(Default)]
struct Retries {
    /// How often the server has refused its stream.
    refusals: u8,
    /// Whether a reused connection failed, so that the next one must be fresh.
    fresh: bool,
    /// Whether the server has required HTTP/1.1.
    http1: bool,
}

impl PendingRequest {
    /// Sends the request with this token and returns once the response head has arrived.
    pub(super) async fn send(&mut self, rendered: &Rendered) -> Result<UpstreamResponse, ProxyError> {
        self.exchange.attempts = self.exchange.attempts.saturating_add(1);
        self.exchange.generation = Some(rendered.token.generation);
        let mut retries = Retries::default();
        loop {
            let may_reuse = !retries.fresh && !self.upgrade;
            let mut now = self.clock.now();
            let taken = may_reuse.then(|| rendered.pool.take(now)).flatten();
            let reused = taken.is_some();
            let connection = match taken {
                Some(connection) => connection,
                None => {
                    let opened = self.open(rendered).await?;
                    now = self.clock.now();
                    opened
                }
            };
            match self.send_on(connection, rendered, now).await {
                Ok(response) => return Ok(response),
                Err(why) => self.check_retry(why, reused, rendered, &mut retries)?,
            }
        }
    }

    /// Returns `Ok` if the request may be sent again after this error, or the error for the caller.
    fn check_retry(
        &self,
        why: SendError,
        reused: bool,
        rendered: &Rendered,
        retries: &mut Retries,
    ) -> Result<(), ProxyError> {
        let repeatable = self.upload.can_repeat();
        let gone = |why: &SendError| {
            matches!(why, SendError::Broken(_) | SendError::CutShort(_) | SendError::Malformed(_) | SendError::Reset(_))
        };
        if !reused && gone(&why) {
            rendered.pool.allow_http2_again();
        }
        let name = &self.backend().upstream.settings.name;
        match why {
            SendError::Unsent if reused => return Ok(()),
            SendError::Refused if retries.refusals < REFUSALS && repeatable => {
                retries.refusals = retries.refusals.saturating_add(1);
                return Ok(());
            }
            SendError::Http1Required => {
                rendered.pool.require_http1();
                if repeatable && !std::mem::replace(&mut retries.http1, true) {
                    return Ok(());
                }
            }
            // The server closed an idle connection just as it was reused. Only an idempotent request is sent again, and only if
            // no byte of a response was read: whoever has answered has seen it.
            SendError::Broken(_) if reused && is_idempotent(&self.exchange.head.method) && repeatable => {
                retries.fresh = true;
                return Ok(());
            }
            SendError::Malformed(why) => {
                tracing::warn!(upstream = %name, why, "the upstream's response cannot be read");
                return Err(ProxyError::Upstream(Fault::Malformed));
            }
            SendError::Broken(why) | SendError::CutShort(why) | SendError::Reset(why) => {
                tracing::info!(upstream = %name, why, "the upstream gave no response");
            }
            SendError::For(error) => return Err(error),
            SendError::Unsent | SendError::Refused => {}
        }
        Err(ProxyError::Upstream(Fault::Reset))
    }

    async fn open(&self, rendered: &Rendered) -> Result<Connection, ProxyError> {
        let opened = if self.upgrade { rendered.pool.open_for_upgrade().await } else { rendered.pool.open().await };
        opened.map_err(|fault| {
            rendered.pool.allow_http2_again();
            ProxyError::Upstream(fault)
        })
    }
}

/// Whether the method is idempotent (RFC 9110 §9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}
