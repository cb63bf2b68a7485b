//! Serves one request: routes it, checks access, strips its headers, forwards it, and rewrites the response for the caller.

use std::cell::RefCell;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, response};
use hyper::body::{Body, Incoming};

use super::close_delimited::{self, Unfinished};
use super::exchange::Exchange;
use super::pending::PendingRequest;
use super::refuse::{no_content, own_response, refuse, refuse_unread};
use super::response::{CallerResponse, UpstreamResponse};
use super::upgrade::Tunnel;
use super::validate::{admit, has_doubtful_coding, token_slot};
use crate::guard::{self, Admission};
use crate::panics;
use crate::proxy::backend::TokenSlot;
use crate::proxy::backend::worker::Worker;
use crate::proxy::error::ProxyError;
use crate::proxy::limits::deadline::Deadline;
use crate::proxy::limits::in_flight::{InFlight, InFlightCount};
use crate::proxy::listen::Listener;
use crate::proxy::message::body::{BodyTimeouts, Intake, Upload};
use crate::proxy::message::headers::known::KnownHeaders;
use crate::proxy::message::headers::response::pass_on;
use crate::proxy::message::headers::view::CallerView;
use crate::proxy::message::interim::{Interim, InterimReceiver};
use crate::proxy::message::{expect, grpc, max_forwards, target, version};
use crate::proxy::request::upgrade;
use crate::proxy::settings::Base;
use crate::record::Limit;

/// A caller's connection, or one stream of it in HTTP/2.
pub(crate) struct Caller {
    pub(crate) worker: Rc<Worker>,
    /// The listener that accepted the connection.
    pub(crate) listener: Rc<Listener>,
    /// The caller's address; `None` on a Unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// What the connection is waiting for, and until when.
    pub(crate) deadline: Rc<Deadline>,
    /// Where interim responses for the caller go.
    pub(crate) interim: Rc<Interim>,
    /// The tunnel that the connection becomes after a 101 response.
    pub(crate) tunnel: RefCell<Option<Tunnel>>,
    /// Set while a response is under way that ends with the connection.
    pub(crate) unfinished: Unfinished,
    in_flight_count: Rc<InFlightCount>,
}

impl Caller {
    pub(crate) fn new(worker: Rc<Worker>, listener: Rc<Listener>, peer: Option<IpAddr>) -> Self {
        let deadline = worker.deadlines.deadline();
        let in_flight_count =
            InFlightCount::new(deadline.clone(), worker.limits.caller_idle, worker.limiter.memory.clone());
        let (interim, tunnel, unfinished) = (Rc::default(), RefCell::default(), Rc::default());
        Self { worker, listener, peer, deadline, interim, tunnel, unfinished, in_flight_count }
    }

    /// Creates the state of one HTTP/2 stream: it has a deadline of its own and shares the rest with its connection.
    pub(crate) fn stream(&self) -> Self {
        let (worker, listener, in_flight_count) =
            (self.worker.clone(), self.listener.clone(), self.in_flight_count.clone());
        self.in_flight_count.begin();
        let (deadline, tunnel, interim) =
            (worker.deadlines.deadline_of(self.deadline.account.clone()), RefCell::default(), self.interim.clone());
        let unfinished = self.unfinished.clone();
        Self { deadline, worker, listener, peer: self.peer, interim, tunnel, unfinished, in_flight_count }
    }

    /// Serves a request. A panic becomes a 500 response.
    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Response<CallerResponse> {
        let (http2, http10) = (request.version() == Version::HTTP_2, request.version() == Version::HTTP_10);
        let to_head = request.method() == Method::HEAD;
        let grpc = http2 && grpc::is(request.headers());
        let doubtful = request.body().size_hint().exact().is_none() && has_doubtful_coding(request.headers());
        // Pinned here: moving it would copy kilobytes.
        let responding = pin!(self.respond(request));
        let done = panics::caught(responding).await;
        // A panic may leave the connection in an undefined state. After a request with a doubtful Transfer-Encoding, nobody can
        // tell where the next one begins (RFC 9112 §6.3).
        let last = done.is_err() || doubtful || self.worker.leaving.get();
        let mut response = done.unwrap_or_else(|panics::Panicked| {
            let response = own_response(&ProxyError::Internal, None, grpc);
            response.map(|text| CallerResponse::own(text, None, self.in_flight_count.take()))
        });
        if last && !http2 && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if http10 {
            close_delimited::prepare(&mut response, to_head, last, &self.unfinished);
        }
        response
    }

    /// Whether the connection has carried a request.
    pub(crate) fn has_begun(&self) -> bool {
        self.in_flight_count.have_begun()
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<CallerResponse> {
        let in_flight = self.in_flight_count.take();
        let (head, body) = request.into_parts();
        let exchange = match self.route(head) {
            Ok(exchange) => exchange,
            Err(error) => return error.response(None).map(|text| CallerResponse::own(text, None, in_flight)),
        };
        match admit(&exchange, self.peer) {
            Admission::Pass => self.pass(exchange, body, self.peer.is_some(), in_flight).await,
            Admission::PassTo(origin) => {
                let mut response = self.pass(exchange, body, false, in_flight).await;
                guard::share(response.headers_mut(), origin);
                response
            }
            Admission::Preflight(headers) => no_content(exchange, headers, in_flight),
            Admission::Refused(why) => refuse_unread(exchange, &ProxyError::Guard(why), in_flight),
            Admission::Malformed(why) => refuse_unread(exchange, &ProxyError::BadRequest(why), in_flight),
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
        mut exchange: Box<Exchange>,
        body: Incoming,
        own_origin: bool,
        in_flight: InFlight,
    ) -> Response<CallerResponse> {
        if max_forwards::is_exhausted(&mut exchange.head) {
            return no_content(exchange, HeaderMap::new(), in_flight);
        }
        let known = KnownHeaders::of(&exchange.head.headers);
        let grpc = known.intersects(KnownHeaders::CONTENT_TYPE) && grpc::is(&exchange.head.headers);
        exchange.permit = self.worker.limiter.request(in_flight.others(), in_flight.has_responded());
        if exchange.permit.is_none() {
            self.worker.limiter.refused(Limit::Requests);
            return refuse(exchange, &ProxyError::Busy(Limit::Requests), grpc, in_flight);
        }
        if !self.worker.limiter.memory.allows(&self.deadline.account) {
            self.worker.limiter.refused(Limit::Memory);
            return refuse(exchange, &ProxyError::Busy(Limit::Memory), grpc, in_flight);
        }
        let token_slot = match token_slot(&mut exchange, known) {
            Ok(token_slot) => token_slot,
            Err(error) => return refuse(exchange, &error, grpc, in_flight),
        };
        let upgrade = known.intersects(KnownHeaders::UPGRADE) && upgrade::is_websocket_request(&exchange.head);
        let (expects, accepts_interim) =
            (known.intersects(KnownHeaders::EXPECT), exchange.head.version == Version::HTTP_11);
        let http2 = exchange.head.version == Version::HTTP_2;
        strip_request(&mut exchange, known, own_origin, upgrade);
        let mut pending =
            self.pending(exchange, token_slot, body, RequestKind { grpc, upgrade, expects, accepts_interim, http2 });
        match pending.forward().await {
            Err(error) => refuse(pending.exchange, &error, grpc, in_flight),
            Ok(response) if upgrade && response.head.status == StatusCode::SWITCHING_PROTOCOLS => {
                self.switch(pending, response, in_flight)
            }
            Ok(response) => self.local(pending, response, in_flight),
        }
    }

    fn pending(
        &self,
        exchange: Box<Exchange>,
        token_slot: TokenSlot,
        body: Incoming,
        kind: RequestKind,
    ) -> PendingRequest {
        let RequestKind { grpc, upgrade, expects, accepts_interim, http2 } = kind;
        let settings = &exchange.backend.upstream.settings;
        let (gate, signal) = expects.then(|| expect::gate(&exchange.head.headers)).flatten().unzip();
        let limits = &self.worker.limits;
        let caller = if grpc { Duration::MAX } else { limits.body_idle };
        let upstream = if grpc { Duration::MAX } else { settings.timeouts.response };
        let intake = Intake {
            keep: settings.retry.body,
            budget: self.worker.budget.clone(),
            gate,
            deadline: self.deadline.clone(),
            timeouts: BodyTimeouts { caller, upstream },
            rules: exchange.backend.rules.clone(),
            http2,
        };
        let upload = Upload::new(body, intake);
        let (deadline, clock) = (self.deadline.clone(), self.worker.clock.clone());
        let interim = InterimReceiver {
            signal,
            caller: accepts_interim.then(|| self.interim.clone()),
            listener: self.listener.clone(),
        };
        PendingRequest { token_slot, upload, interim, upgrade, timeout: upstream, deadline, clock, exchange }
    }

    /// Hands the connection to a tunnel: the upstream has switched protocols.
    fn switch(
        &self,
        pending: PendingRequest,
        response: UpstreamResponse,
        in_flight: InFlight,
    ) -> Response<CallerResponse> {
        let UpstreamResponse { mut head, known, body } = response;
        self.pass_on(&pending, &mut head, known, body.base());
        upgrade::set_headers(&mut head.headers);
        let (exchange, _) = pending.finish(head.status);
        if let Some(upstream) = body.into_tunnel() {
            *self.tunnel.borrow_mut() = Some(Tunnel { upstream, exchange });
        }
        Response::from_parts(head, CallerResponse::own(Bytes::new(), None, in_flight))
    }

    /// Rewrites the upstream's response for the caller.
    fn local(
        &self,
        pending: PendingRequest,
        response: UpstreamResponse,
        in_flight: InFlight,
    ) -> Response<CallerResponse> {
        let UpstreamResponse { mut head, known, body } = response;
        in_flight.mark_responded();
        self.pass_on(&pending, &mut head, known, body.base());
        let (exchange, headers) = pending.finish(head.status);
        body.reuse(headers);
        Response::from_parts(head, CallerResponse::upstream(body, exchange, in_flight))
    }

    fn pass_on(&self, pending: &PendingRequest, head: &mut response::Parts, known: KnownHeaders, base: &Base) {
        let Exchange { backend, head: asked, .. } = &*pending.exchange;
        let settings = &backend.upstream.settings;
        pass_on(&mut head.headers, known, || CallerView::of(asked, &self.listener.authority, settings, base));
        head.version = Version::HTTP_11;
    }
}

/// Properties of a request that decide how it is forwarded.
struct RequestKind {
    grpc: bool,
    upgrade: bool,
    expects: bool,
    /// Whether the caller can receive interim responses: not in HTTP/1.0 (RFC 9110 §15.2), and not in HTTP/2, where hyper has no
    /// API for them.
    accepts_interim: bool,
    http2: bool,
}

fn strip_request(exchange: &mut Exchange, known: KnownHeaders, own_origin: bool, upgrade: bool) {
    let Exchange { head, backend, .. } = exchange;
    if head.version == Version::HTTP_2 {
        version::join_cookies(&mut head.headers);
    }
    backend.rules.strip(&mut head.headers, known, own_origin);
    if upgrade {
        upgrade::set_headers(&mut head.headers);
        // Without `Connection: TE`, which this replaces, it may not be sent.
        head.headers.remove(header::TE);
    }
    head.version = Version::HTTP_11;
}
