//! Forwards a request, and repeats it once with a different token if the response rejects the first.

use http::Method;

use super::expiry::is_expired;
use super::pending::PendingRequest;
use super::response::UpstreamResponse;
use crate::proxy::error::ProxyError;
use crate::record::Replay;
use crate::token::grant::Token;

impl PendingRequest {
    /// Sends the request. Repeats it once if the response says that the token has expired, a different token is available in
    /// time, and the body was kept. Otherwise returns the first response unchanged.
    pub(crate) async fn forward(&mut self) -> Result<UpstreamResponse, ProxyError> {
        let first = self.backend().token(&self.token_slot, self.exchange.began()).await?;
        let mut response = self.send(&first).await?;
        if !self.is_expired(&first.token, &mut response).await {
            return Ok(response);
        }
        let (replay, response) = self.repeat(&first.token, response).await;
        self.exchange.replay = Some(replay);
        Ok(response)
    }

    /// Repeats the request once. Returns `rejected_response` if the repeat is impossible or fails.
    async fn repeat(&mut self, rejected: &Token, rejected_response: UpstreamResponse) -> (Replay, UpstreamResponse) {
        if !self.may_repeat() {
            self.token_slot.handle.rejected(rejected.generation);
            return (Replay::NotRepeatable, rejected_response);
        }
        let timeout = self.backend().upstream.settings.timeouts.token_wait;
        let other = self.token_slot.handle.renewed_after(rejected.generation, timeout).await;
        let Some(other) = other.filter(|other| other.generation != rejected.generation) else {
            return (Replay::NoToken, rejected_response);
        };
        let Ok(second) = self.backend().render(&self.token_slot, other) else {
            return (Replay::NoToken, rejected_response);
        };
        if !self.upload.can_repeat() {
            return (Replay::NotRepeatable, rejected_response);
        }
        let Ok(mut response) = self.send(&second).await else { return (Replay::Failed, rejected_response) };
        if !self.is_expired(&second.token, &mut response).await {
            return (Replay::Accepted, response);
        }
        self.token_slot.handle.rejected(second.token.generation);
        (Replay::Rejected, response)
    }

    fn may_repeat(&self) -> bool {
        let never = self.backend().upstream.settings.retry.idempotent_only;
        let excluded = never && matches!(self.exchange.head.method, Method::POST | Method::PATCH);
        !excluded && self.upload.can_repeat()
    }

    async fn is_expired(&self, token: &Token, response: &mut UpstreamResponse) -> bool {
        let expired = is_expired(&*self.backend().upstream.usage, response, self.timeout).await;
        if !expired {
            self.token_slot.handle.accepted(token.generation);
            self.upload.stop_keeping();
        }
        expired
    }
}
