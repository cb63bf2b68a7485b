//! A request's way to the upstream: the attempt, and its one repeat with another token.

use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use super::Upstream;
use super::answer::{Arrived, Arriving};
use super::backend::{Backend, Rendered, Seat};
use super::body::Upload;
use super::entry::Entry;
use super::error::{Fault, ProxyError};
use super::expired::{is_expired, readable_encoding};
use super::headers::dressed::Dressed;
use super::headers::marks::Marks;
use super::interim::{Ahead, Hearing};
use super::outbound::Outbound;
use super::pool::{Connection, Lease};
use super::sweep::{Slot, Waiting};
use super::target::Join;
use super::unanswered::Unanswered;
use crate::clock::{Moment, SharedClock};
use crate::record::Replay;
use crate::token::grant::Token;

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

/// A request that may be sent: judged, routed, stripped of what must not pass, and with no token yet.
pub(crate) struct Call {
    pub(crate) seat: Seat,
    pub(crate) upload: Upload,
    pub(crate) ahead: Ahead,
    /// Whether it asks to leave HTTP.
    pub(crate) upgrade: bool,
    /// How long the head of the answer may take.
    pub(crate) patience: Duration,
    pub(crate) slot: Rc<Slot>,
    pub(crate) clock: SharedClock,
    pub(crate) entry: Box<Entry>,
}

impl Call {
    /// Sends the request, and once more if the answer says that the token is dead, a different one can be had in time
    /// and the body was kept. In every other case the upstream's answer is the answer.
    pub(crate) async fn forward(&mut self) -> Result<Arrived, ProxyError> {
        let first = self.backend().token(&self.seat, self.entry.began()).await?;
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
        let patience = self.backend().upstream.settings.timeouts.token_wait;
        let other = self.seat.handle.renewed_after(rejected.generation, patience).await;
        let Some(other) = other.filter(|other| other.generation != rejected.generation) else {
            return (Replay::NoToken, held);
        };
        let Ok(second) = self.backend().render(&self.seat, other) else { return (Replay::NoToken, held) };
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

    /// It has been answered with this status: what is left is its entry, and a map that nobody needs any more.
    pub(crate) fn ended(self, status: StatusCode) -> (Box<Entry>, HeaderMap) {
        let mut entry = self.entry;
        entry.seat = Some(self.seat);
        let spare = entry.answered(status);
        (entry, spare)
    }

    fn backend(&self) -> &Backend {
        &self.entry.backend
    }

    fn may_repeat(&self) -> bool {
        let never = self.backend().upstream.settings.retry.idempotent_only;
        let excluded = never && matches!(self.entry.head.method, Method::POST | Method::PATCH);
        !excluded && self.upload.can_repeat()
    }

    async fn is_expired(&self, token: &Token, answer: &mut Arrived) -> bool {
        let expired = is_expired(&*self.backend().upstream.usage, answer, self.patience).await;
        if !expired {
            self.seat.handle.accepted(token.generation);
            self.upload.settle();
        }
        expired
    }

    /// Sends the request with this token, up to the head of the answer.
    async fn send(&mut self, with: &Rendered) -> Result<Arrived, ProxyError> {
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
            match self.exchange(connection, with, now).await {
                Ok(answer) => return Ok(answer),
                Err(why) => self.try_again(why, reused, with, &mut tried)?,
            }
        }
    }

    /// Whether the request may be sent once more after this; otherwise, what the caller is told.
    fn try_again(&self, why: Unanswered, reused: bool, with: &Rendered, tried: &mut Tried) -> Result<(), ProxyError> {
        let repeatable = self.upload.can_repeat();
        if !reused && matches!(why, Unanswered::Broken(_) | Unanswered::Malformed(_) | Unanswered::Reset(_)) {
            with.pool.doubt_http1();
        }
        let name = &self.backend().upstream.settings.name;
        match why {
            Unanswered::Unsent if reused => return Ok(()),
            Unanswered::Refused if tried.refusals < REFUSALS && repeatable => {
                tried.refusals = tried.refusals.saturating_add(1);
                return Ok(());
            }
            Unanswered::Http1Required => {
                with.pool.require_http1();
                if repeatable && !std::mem::replace(&mut tried.http1, true) {
                    return Ok(());
                }
            }
            // The server closed a connection that was idle, just when it was used, or what it said of another request
            // was on its way. What may be done twice is.
            Unanswered::Broken(_) | Unanswered::Malformed(_)
                if reused && is_idempotent(&self.entry.head.method) && repeatable =>
            {
                tried.fresh = true;
                return Ok(());
            }
            Unanswered::Malformed(why) => {
                tracing::warn!(upstream = %name, why, "the upstream's answer cannot be read");
                return Err(ProxyError::Upstream(Fault::Malformed));
            }
            Unanswered::Broken(why) | Unanswered::Reset(why) => {
                tracing::info!(upstream = %name, why, "the upstream gave no answer");
            }
            Unanswered::For(error) => return Err(error),
            Unanswered::Unsent | Unanswered::Refused => {}
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

    fn outbound<'a>(&'a self, with: &'a Rendered) -> Result<Outbound<'a>, ProxyError> {
        let body = self.upload.attempt().ok_or(ProxyError::Upstream(Fault::Reset))?;
        let Rendered { patch, pool, .. } = with;
        let (head, backend) = (&self.entry.head, self.backend());
        let Upstream { settings, owned, usage, .. } = &*backend.upstream;
        let base = &pool.base;
        let join = Join { mount: settings.matches.mount(), base: &base.path, owned: &owned.query, query: &patch.query };
        let target = join.target(head.uri.clone())?;
        let encoding = usage.reads_bodies().then(|| readable_encoding(&head.headers));
        let headers = Dressed {
            rules: &backend.rules,
            callers: &head.headers,
            patch,
            authority: &base.authority,
            proxy_credentials: None,
            encoding,
        };
        Ok(Outbound { head, target, headers, body })
    }

    async fn exchange(
        &mut self,
        mut connection: Connection,
        with: &Rendered,
        sent: Moment,
    ) -> Result<Arrived, Unanswered> {
        let request = self.outbound(with)?;
        self.slot.wait_until(Waiting::ResponseHead, sent + self.patience);
        let (asked, settings) = (&self.entry.head, &self.backend().upstream.settings);
        let ahead = Hearing { ahead: &self.ahead, asked, settings, base: &with.pool.base };
        let answer = within(&self.slot, connection.send(request, &with.pool, &ahead)).await;
        self.slot.rest();
        self.upload.unwatch();
        let (head, body) = answer.inspect_err(|_| connection.retire())??;
        let leaves = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if leaves && !self.upgrade {
            return Err(Unanswered::Malformed("a 101 that nobody asked for".to_owned()));
        }
        self.entry.upstream = Some(self.clock.now().since(sent));
        let marks = Marks::of(&head.headers);
        if marks.meet(Marks::KEEP_ALIVE) {
            connection.heed_keep_alive(&head.headers);
        }
        let lease = (!leaves).then(|| Lease::new(connection, with.pool.clone(), self.upload.clone()));
        Ok(Arrived { head, marks, body: Arriving::new(body, with.pool.clone(), lease) })
    }
}

/// Waits for the head as long as the slot allows; the slot is moved on by the request's body while that is sent.
async fn within<A>(slot: &Slot, answer: impl Future<Output = A>) -> Result<A, ProxyError> {
    let mut answer = pin!(answer);
    std::future::poll_fn(|cx| {
        slot.remember(cx.waker());
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
