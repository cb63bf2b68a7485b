//! Sends a request on one connection: builds what goes out, and waits for the response head.

use std::pin::pin;
use std::task::Poll;

use http::StatusCode;

use super::expiry::readable_encoding;
use super::pending::PendingRequest;
use super::response::{UpstreamBody, UpstreamResponse};
use super::upgrade;
use crate::clock::Moment;
use crate::proxy::Upstream;
use crate::proxy::backend::Rendered;
use crate::proxy::error::{Fault, ProxyError};
use crate::proxy::limits::deadline::{Deadline, Waiting};
use crate::proxy::message::attempt::UpstreamRequest;
use crate::proxy::message::headers::known::KnownHeaders;
use crate::proxy::message::headers::outgoing::OutgoingHeaders;
use crate::proxy::message::interim::InterimResponses;
use crate::proxy::message::target::Join;
use crate::proxy::upstream::pool::{CheckedOut, Connection};
use crate::proxy::upstream::send_error::SendError;

impl PendingRequest {
    /// Sends the request and returns once the response head has arrived.
    pub(super) async fn send_on(
        &mut self,
        mut connection: Connection,
        rendered: &Rendered,
        sent: Moment,
    ) -> Result<UpstreamResponse, SendError> {
        let request = self.upstream_request(rendered)?;
        self.deadline.wait_until(Waiting::ResponseHead, sent + self.timeout);
        let (request_head, settings) = (&self.exchange.head, &self.backend().upstream.settings);
        let interim =
            InterimResponses { receiver: &self.interim, request: request_head, settings, base: &rendered.pool.base };
        let response = within(&self.deadline, connection.send(request, &rendered.pool, &interim)).await;
        self.deadline.clear();
        self.upload.unwatch();
        let (head, body) = response.inspect_err(|_| connection.retire())??;
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if switches && !(self.upgrade && upgrade::is_accepted(&head.headers)) {
            return Err(SendError::Malformed("unexpected 101 response".to_owned()));
        }
        self.exchange.upstream = Some(self.clock.now().since(sent));
        let known = KnownHeaders::of(&head.headers);
        if known.intersects(KnownHeaders::KEEP_ALIVE) {
            connection.apply_keep_alive(&head.headers);
        }
        let lease = (!switches).then(|| CheckedOut::new(connection, rendered.pool.clone(), self.upload.clone()));
        Ok(UpstreamResponse { head, known, body: UpstreamBody::new(body, rendered.pool.clone(), lease) })
    }

    fn upstream_request<'a>(&'a self, rendered: &'a Rendered) -> Result<UpstreamRequest<'a>, ProxyError> {
        let body = self.upload.attempt().ok_or(ProxyError::Upstream(Fault::Reset))?;
        let Rendered { token, patch, pool } = rendered;
        let (head, backend) = (&self.exchange.head, self.backend());
        let Upstream { settings, owned, usage, .. } = &*backend.upstream;
        let base = &pool.base;
        let join = Join { mount: settings.matches.mount(), base: &base.path, owned: &owned.query, query: &patch.query };
        let target = join.target(head.uri.clone())?;
        let encoding = usage.reads_bodies().then(|| readable_encoding(&head.headers));
        let headers = OutgoingHeaders {
            rules: &backend.rules,
            callers: &head.headers,
            patch,
            signature: usage.sign(token, &head.method, &target),
            authority: &base.authority,
            proxy_credentials: None,
            encoding,
        };
        Ok(UpstreamRequest { head, target, headers, body })
    }
}

/// Waits for the response head until the deadline. Each part of the request body that is sent extends the deadline.
async fn within<A>(deadline: &Deadline, response: impl Future<Output = A>) -> Result<A, ProxyError> {
    let mut response = pin!(response);
    std::future::poll_fn(|cx| {
        deadline.register(cx.waker());
        if let Poll::Ready(response) = response.as_mut().poll(cx) {
            return Poll::Ready(Ok(response));
        }
        match deadline.expired() {
            None => Poll::Pending,
            Some(Waiting::RequestBody) => Poll::Ready(Err(ProxyError::RequestTimeout)),
            Some(_) => Poll::Ready(Err(ProxyError::Upstream(Fault::HeadTimeout))),
        }
    })
    .await
}
