//! One request, from its head to its answer: routed, judged, stripped, forwarded, and the answer made local.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Incoming};

use super::exchange::Exchange;
use super::pending::PendingRequest;
use super::response::{CallerResponse, UpstreamResponse};
use super::upgrade::Tunnel;
use crate::guard::{self, Admission};
use crate::panics;
use crate::proxy::backend::TokenSlot;
use crate::proxy::backend::worker::Worker;
use crate::proxy::error::ProxyError;
use crate::proxy::limits::deadline::Deadline;
use crate::proxy::limits::in_flight::{InFlight, InFlightCount};
use crate::proxy::listen::Listener;
use crate::proxy::message::body::{Intake, Patience, Upload};
use crate::proxy::message::headers::known::KnownHeaders;
use crate::proxy::message::headers::response::{pass_on, strip};
use crate::proxy::message::headers::view::CallerView;
use crate::proxy::message::interim::{Ahead, Interim};
use crate::proxy::message::{expect, grpc, target, version};
use crate::proxy::request::upgrade;
use crate::record::Limit;

/// One caller's connection.
pub(crate) struct Caller {
    /// The data thread.
    pub(crate) worker: Rc<Worker>,
    /// Where it came in.
    pub(crate) listener: Rc<Listener>,
    /// From where; `None` on a unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// What it waits for.
    pub(crate) deadline: Rc<Deadline>,
    /// What it is told ahead of an answer.
    pub(crate) interim: Rc<Interim>,
    /// What the connection becomes when HTTP has ended.
    pub(crate) tunnel: RefCell<Option<Tunnel>>,
    turns: Rc<InFlightCount>,
}

impl Caller {
    /// A caller that has just connected.
    pub(crate) fn new(worker: Rc<Worker>, listener: Rc<Listener>, peer: Option<IpAddr>) -> Self {
        let deadline = worker.deadlines.deadline();
        let turns = InFlightCount::new(deadline.clone(), worker.limits.caller_idle, worker.limiter.memory.clone());
        Self { worker, listener, peer, deadline, interim: Rc::default(), tunnel: RefCell::default(), turns }
    }

    /// One request among others on a connection of HTTP/2: what it waits for is its own.
    pub(crate) fn stream(&self) -> Self {
        let (worker, listener, turns) = (self.worker.clone(), self.listener.clone(), self.turns.clone());
        self.turns.begin();
        let (deadline, tunnel, interim) =
            (worker.deadlines.slot_in(self.deadline.account.clone()), RefCell::default(), self.interim.clone());
        Self { deadline, worker, listener, peer: self.peer, interim, tunnel, turns }
    }

    /// Answers a request, whatever happens to it.
    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Response<CallerResponse> {
        let http2 = request.version() == Version::HTTP_2;
        let doubtful = request.body().size_hint().exact().is_none() && has_doubtful_coding(request.headers());
        let done = panics::caught(self.answer(request)).await;
        // What a panic may have left half-done goes with the connection; and nobody can say for sure where the request after
        // a doubtful one begins (RFC 9112 §6.3).
        let last = done.is_err() || doubtful || self.worker.leaving.get();
        let mut answer = done.unwrap_or_else(|panics::Panicked| {
            ProxyError::Internal.response(None).map(|text| CallerResponse::own(text, None, self.turns.take()))
        });
        if last && !http2 && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// Whether there has been a request.
    pub(crate) fn has_begun(&self) -> bool {
        self.turns.have_begun()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<CallerResponse> {
        let turn = self.turns.take();
        let (head, body) = request.into_parts();
        let entry = match self.route(head) {
            Ok(entry) => entry,
            Err(error) => return error.response(None).map(|text| CallerResponse::own(text, None, turn)),
        };
        match admit(&entry, self.peer) {
            Admission::Pass => self.pass(entry, body, self.peer.is_some(), turn).await,
            Admission::PassTo(origin) => {
                let mut response = self.pass(entry, body, false, turn).await;
                guard::share(response.headers_mut(), origin);
                response
            }
            Admission::Preflight(headers) => preflight(entry, headers, turn),
            Admission::Refused(why) => refuse_unread(entry, &ProxyError::Guard(why), turn),
            Admission::Malformed(why) => refuse_unread(entry, &ProxyError::BadRequest(why), turn),
        }
    }

    fn route(&self, head: http::request::Parts) -> Result<Box<Exchange>, ProxyError> {
        let path = target::path(&head.method, &head.uri)?;
        let backend = self.worker.find(&self.listener.listen, &head, path).ok_or(ProxyError::NoRoute)?;
        let clock = self.worker.clock.clone();
        Ok(Box::new(Exchange::begin(backend, clock, self.worker.clock.now(), head)))
    }

    async fn pass(
        &self,
        mut entry: Box<Exchange>,
        body: Incoming,
        own_origin: bool,
        turn: InFlight,
    ) -> Response<CallerResponse> {
        let marks = KnownHeaders::of(&entry.head.headers);
        let grpc = marks.meet(KnownHeaders::CONTENT_TYPE) && grpc::is(&entry.head.headers);
        entry.place = self.worker.limiter.request(turn.others(), turn.was_answered());
        if entry.place.is_none() {
            self.worker.limiter.refused(Limit::Requests);
            return refuse(entry, &ProxyError::Busy(Limit::Requests), grpc, turn);
        }
        if !self.worker.limiter.memory.allows(&self.deadline.account) {
            self.worker.limiter.refused(Limit::Memory);
            return refuse(entry, &ProxyError::Busy(Limit::Memory), grpc, turn);
        }
        let token_slot = match token_slot(&mut entry, marks) {
            Ok(token_slot) => token_slot,
            Err(error) => return refuse(entry, &error, grpc, turn),
        };
        let upgrade = marks.meet(KnownHeaders::UPGRADE) && upgrade::is_asked_for(&entry.head);
        let (expects, hears) = (marks.meet(KnownHeaders::EXPECT), entry.head.version == Version::HTTP_11);
        let http2 = entry.head.version == Version::HTTP_2;
        strip_request(&mut entry, marks, own_origin, upgrade);
        let mut call = self.call(entry, token_slot, body, RequestKind { grpc, upgrade, expects, hears, http2 });
        match call.forward().await {
            Err(error) => refuse(call.entry, &error, grpc, turn),
            Ok(answer) if upgrade && answer.head.status == StatusCode::SWITCHING_PROTOCOLS => {
                self.switch(call, answer, turn)
            }
            Ok(answer) => self.local(call, answer, turn),
        }
    }

    fn call(&self, entry: Box<Exchange>, token_slot: TokenSlot, body: Incoming, kind: RequestKind) -> PendingRequest {
        let RequestKind { grpc, upgrade, expects, hears, http2 } = kind;
        let settings = &entry.backend.upstream.settings;
        let (gate, asked) = expects.then(|| expect::gate(&entry.head.headers)).flatten().unzip();
        let limits = &self.worker.limits;
        let caller = if grpc { Duration::MAX } else { limits.body_idle };
        let upstream = if grpc { Duration::MAX } else { settings.timeouts.response };
        let intake = Intake {
            keep: settings.retry.body,
            budget: self.worker.budget.clone(),
            gate,
            deadline: self.deadline.clone(),
            patience: Patience { caller, upstream },
            rules: entry.backend.rules.clone(),
            http2,
        };
        let upload = Upload::new(body, intake);
        let (deadline, clock) = (self.deadline.clone(), self.worker.clock.clone());
        let ahead = Ahead { asked, caller: hears.then(|| self.interim.clone()), listener: self.listener.clone() };
        PendingRequest { token_slot, upload, ahead, upgrade, patience: upstream, deadline, clock, entry }
    }

    /// The upstream has left HTTP: so does the caller.
    fn switch(&self, call: PendingRequest, answer: UpstreamResponse, turn: InFlight) -> Response<CallerResponse> {
        let UpstreamResponse { mut head, marks, body } = answer;
        let (entry, _) = call.ended(head.status);
        strip(&mut head.headers, marks);
        upgrade::mark(&mut head.headers);
        head.version = Version::HTTP_11;
        if let Some(upstream) = body.into_tunnel() {
            *self.tunnel.borrow_mut() = Some(Tunnel { upstream, entry });
        }
        Response::from_parts(head, CallerResponse::own(Bytes::new(), None, turn))
    }

    /// The upstream's answer as the caller may see it.
    fn local(&self, call: PendingRequest, answer: UpstreamResponse, turn: InFlight) -> Response<CallerResponse> {
        let UpstreamResponse { mut head, marks, body } = answer;
        turn.answered();
        let settings = &call.entry.backend.upstream.settings;
        pass_on(&mut head.headers, marks, || {
            CallerView::of(&call.entry.head, &self.listener.authority, settings, body.base())
        });
        head.version = Version::HTTP_11;
        let (entry, spare) = call.ended(head.status);
        body.keep(spare);
        Response::from_parts(head, CallerResponse::upstream(body, entry, turn))
    }
}

/// What a request is, beyond a request.
struct RequestKind {
    grpc: bool,
    upgrade: bool,
    expects: bool,
    /// Whether its caller may be told something ahead of the answer: not in HTTP/1.0 (RFC 9110 §15.2), and not in HTTP/2,
    /// for which hyper has no way.
    hears: bool,
    http2: bool,
}

fn admit(entry: &Exchange, peer: Option<IpAddr>) -> Admission {
    let (settings, head) = (&entry.backend.upstream.settings, &entry.head);
    let call = guard::RequestInfo {
        peer,
        version: head.version,
        method: &head.method,
        authority: head.uri.authority().map(|authority| authority.as_str()),
        path: head.uri.path(),
        headers: &head.headers,
    };
    settings.access.admit(&call, settings.matches.host.as_deref())
}

/// Whose token a well-formed request gets.
fn token_slot(entry: &mut Exchange, marks: KnownHeaders) -> Result<TokenSlot, ProxyError> {
    let began = entry.began();
    let Exchange { head, backend, .. } = entry;
    if head.version == Version::HTTP_2 {
        version::repair(head, marks.meet(KnownHeaders::CONTENT_LENGTH)).map_err(ProxyError::BadRequest)?;
    }
    if !backend.upstream.settings.access.dot_segments && target::has_dot_segment(head.uri.path()) {
        return Err(ProxyError::BadRequest("the path has a dot segment"));
    }
    if marks.meet(KnownHeaders::TRANSFER_ENCODING) && has_doubtful_coding(&head.headers) {
        return Err(ProxyError::BadRequest("the transfer coding is not chunked alone"));
    }
    backend.token_slot(&head.headers, began)
}

/// Whether the transfer coding is another than chunked alone, said once.
fn has_doubtful_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let others = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    codings.next().is_some_and(others) || codings.next().is_some()
}

fn strip_request(entry: &mut Exchange, marks: KnownHeaders, own_origin: bool, upgrade: bool) {
    let Exchange { head, backend, .. } = entry;
    if head.version == Version::HTTP_2 {
        version::join_crumbs(&mut head.headers);
    }
    backend.rules.strip(&mut head.headers, marks, own_origin);
    if upgrade {
        upgrade::mark(&mut head.headers);
    }
    head.version = Version::HTTP_11;
}

fn refuse_unread(entry: Box<Exchange>, error: &ProxyError, turn: InFlight) -> Response<CallerResponse> {
    let grpc = grpc::is(&entry.head.headers);
    refuse(entry, error, grpc, turn)
}

fn refuse(mut entry: Box<Exchange>, error: &ProxyError, grpc: bool, turn: InFlight) -> Response<CallerResponse> {
    entry.failed(error);
    let mut answer = error.response(Some(&entry.backend.upstream.settings.name));
    if grpc {
        grpc::mark(&mut answer, error.row().detail);
    }
    answer.map(|text| CallerResponse::own(text, Some(entry), turn))
}

fn preflight(mut entry: Box<Exchange>, headers: HeaderMap, turn: InFlight) -> Response<CallerResponse> {
    entry.answered(StatusCode::NO_CONTENT);
    let mut response = Response::new(CallerResponse::own(Bytes::new(), Some(entry), turn));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}
