//! A request's way to the upstream: the attempt, and its one repeat with another token.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::answer::{Arrived, Arriving};
use super::backend::{Backend, Rendered, Seat};
use super::body::{Outgoing, Upload};
use super::entry::Entry;
use super::error::{Fault, ProxyError};
use super::expect::Signal;
use super::expired::{ask_for_readable, is_expired};
use super::pool::{Connection, Lease};
use super::sweep::{Slot, Waiting};
use super::target::Join;
use crate::clock::{Moment, SharedClock};
use crate::record::Replay;
use crate::token::grant::Token;

/// A request that may be sent: judged, routed, stripped of what must not pass, and with no token yet.
pub(crate) struct Call {
    pub(crate) backend: Rc<Backend>,
    pub(crate) seat: Seat,
    pub(crate) head: http::request::Parts,
    pub(crate) upload: Upload,
    pub(crate) asked: Option<Arc<Signal>>,
    pub(crate) slot: Rc<Slot>,
    pub(crate) clock: SharedClock,
    pub(crate) entry: Box<Entry>,
}

impl Call {
    /// Sends the request, and once more if the answer says that the token is dead, a different one can be had in time
    /// and the body was kept. In every other case the upstream's answer is the answer.
    pub(crate) async fn forward(&mut self) -> Result<Arrived, ProxyError> {
        let first = self.backend.token(&self.seat, self.entry.began()).await?;
        let mut answer = self.send(&first).await?;
        if !self.is_expired(&first.token, &mut answer).await {
            return Ok(answer);
        }
        let (replay, answer) = self.repeat(&first.token, answer).await;
        self.entry.replay = Some(replay);
        Ok(answer)
    }

    /// The one repeat. `held` is passed on if nothing better comes of it.
    async fn repeat(&mut self, rejected: &Token, held: Arrived) -> (Replay, Arrived) {
        if !self.may_repeat() {
            self.seat.handle.rejected(rejected.generation);
            return (Replay::NotRepeatable, held);
        }
        let patience = self.backend.upstream.settings.timeouts.token_wait;
        let other = self.seat.handle.renewed_after(rejected.generation, patience).await;
        let Some(other) = other.filter(|other| other.generation != rejected.generation) else {
            return (Replay::NoToken, held);
        };
        let Ok(second) = self.backend.render(&self.seat, other) else { return (Replay::NoToken, held) };
        if !self.upload.can_repeat() {
            return (Replay::NotRepeatable, held);
        }
        let Ok(mut answer) = self.send(&second).await else { return (Replay::Failed, held) };
        if !self.is_expired(&second.token, &mut answer).await {
            return (Replay::Accepted, answer);
        }
        self.seat.handle.rejected(second.token.generation);
        (Replay::Rejected, answer)
    }

    fn may_repeat(&self) -> bool {
        let never = self.backend.upstream.settings.retry.idempotent_only;
        let excluded = never && matches!(self.head.method, Method::POST | Method::PATCH);
        !excluded && self.upload.can_repeat()
    }

    async fn is_expired(&self, token: &Token, answer: &mut Arrived) -> bool {
        let expired = is_expired(&*self.backend.upstream.usage, answer).await;
        if !expired {
            self.seat.handle.accepted(token.generation);
            self.upload.settle();
        }
        expired
    }

    /// Sends the request with this token, up to the head of the answer.
    async fn send(&mut self, with: &Rendered) -> Result<Arrived, ProxyError> {
        let body = self.upload.attempt().ok_or(ProxyError::Upstream(Fault::Reset))?;
        let mut request = self.request(with, body)?;
        self.entry.attempts += 1;
        self.entry.generation = Some(with.token.generation);
        let now = self.clock.now();
        while let Some(connection) = with.pool.take(now) {
            match self.exchange(connection, request, with, now).await? {
                Exchanged::Answer(answer) => return Ok(answer),
                Exchanged::Unsent(unsent) => request = unsent,
                // The server closed a connection that was idle, just when it was used. What may be done twice is.
                Exchanged::Broken if is_idempotent(&self.head.method) && self.upload.can_repeat() => {
                    let body = self.upload.attempt().ok_or(ProxyError::Upstream(Fault::Reset))?;
                    request = self.request(with, body)?;
                    break;
                }
                Exchanged::Broken => return Err(ProxyError::Upstream(Fault::Reset)),
            }
        }
        let connection = with.pool.open().await.map_err(ProxyError::Upstream)?;
        match self.exchange(connection, request, with, self.clock.now()).await? {
            Exchanged::Answer(answer) => Ok(answer),
            Exchanged::Unsent(_) | Exchanged::Broken => Err(ProxyError::Upstream(Fault::Reset)),
        }
    }

    fn request(&self, with: &Rendered, body: Outgoing) -> Result<Request<Outgoing>, ProxyError> {
        let mut head = self.head.clone();
        let settings = &self.backend.upstream.settings;
        let base = &with.pool.base;
        let join = Join {
            mount: settings.matches.mount(),
            base: &base.path,
            owned: &self.backend.upstream.owned.query,
            query: &with.patch.query,
        };
        head.uri = join.target(head.uri)?;
        self.backend.rules.apply(&mut head.headers, &with.patch, &base.authority);
        if self.backend.upstream.usage.reads_bodies() {
            ask_for_readable(&mut head.headers);
        }
        let mut request = Request::from_parts(head, body);
        if let Some(asked) = self.asked.clone() {
            hyper::ext::on_informational(&mut request, move |answer| asked.informed(answer.status()));
        }
        Ok(request)
    }

    async fn exchange(
        &mut self,
        mut connection: Connection,
        request: Request<Outgoing>,
        with: &Rendered,
        sent: Moment,
    ) -> Result<Exchanged, ProxyError> {
        self.slot.wait_until(Waiting::ResponseHead, sent + self.backend.upstream.settings.timeouts.response);
        let answer = within(&self.slot, connection.sender.try_send_request(request)).await;
        self.slot.rest();
        self.upload.unwatch();
        match answer? {
            Ok(answer) => {
                self.entry.upstream = Some(self.clock.now().since(sent));
                let (head, body) = answer.into_parts();
                let lease = Lease::new(connection, with.pool.clone(), self.upload.clone(), &head.headers);
                Ok(Exchanged::Answer(Arrived { head, body: Arriving::new(body, with.pool.clone(), lease) }))
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) => Ok(Exchanged::Unsent(unsent)),
                None if error.error().is_user() => Err(ProxyError::BadRequest("the request's body broke off")),
                None => Ok(Exchanged::Broken),
            },
        }
    }
}

/// What came of sending a request on a connection.
enum Exchanged {
    Answer(Arrived),
    /// The connection was closed before anything was sent.
    Unsent(Request<Outgoing>),
    /// It broke after something was sent.
    Broken,
}

type Sent = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>;

/// Waits for the head as long as the slot allows; the slot is moved on by the request's body while that is sent.
async fn within(slot: &Slot, answer: impl Future<Output = Sent>) -> Result<Sent, ProxyError> {
    let mut answer = pin!(answer);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Ok(answer));
        }
        match slot.over() {
            None => Poll::Pending,
            Some(Waiting::RequestBody) => Poll::Ready(Err(ProxyError::RequestTimeout)),
            Some(_) => Poll::Ready(Err(ProxyError::Upstream(Fault::HeadTimeout))),
        }
    })
    .await
}

/// RFC 9110 §9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}
