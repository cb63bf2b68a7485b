//! One request, from its head to its answer: routed, judged, stripped, forwarded, and the answer made local.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::answer::{Answer, Arrived};
use super::backend::Backend;
use super::body::{Intake, Patience, Upload};
use super::entry::Entry;
use super::error::ProxyError;
use super::forward::Call;
use super::headers::answer::{View, localise, names_an_address, strip};
use super::here::{Door, Here};
use super::sweep::Slot;
use super::turn::{Turn, Turns};
use super::upgrade::Tunnel;
use super::{expect, grpc, route, target, upgrade, version};
use crate::guard::{self, Admission};

/// One caller's connection.
pub(crate) struct Caller {
    /// The data thread.
    pub(crate) here: Rc<Here>,
    /// Where it came in.
    pub(crate) door: Rc<Door>,
    /// From where; `None` on a unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// What it waits for.
    pub(crate) slot: Rc<Slot>,
    /// What the connection becomes when HTTP has ended.
    pub(crate) tunnel: RefCell<Option<Tunnel>>,
    turns: Rc<Turns>,
}

/// A request on its way in.
struct Inbound {
    head: http::request::Parts,
    body: Incoming,
    backend: Rc<Backend>,
    entry: Box<Entry>,
}

impl Caller {
    /// A caller that has just connected.
    pub(crate) fn new(here: Rc<Here>, door: Rc<Door>, peer: Option<IpAddr>) -> Self {
        let slot = here.sweeper.slot();
        let turns = Turns::new(slot.clone(), here.limits.caller_idle);
        Self { here, door, peer, slot, tunnel: RefCell::default(), turns }
    }

    /// One request among others on a connection of HTTP/2: what it waits for is its own.
    pub(crate) fn stream(&self) -> Self {
        let (here, door, turns) = (self.here.clone(), self.door.clone(), self.turns.clone());
        Self { slot: here.sweeper.slot(), here, door, peer: self.peer, tunnel: RefCell::default(), turns }
    }

    /// Answers a request.
    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Response<Answer> {
        let turn = self.turns.take();
        let (head, body) = request.into_parts();
        let inbound = match self.route(head, body) {
            Ok(inbound) => inbound,
            Err(error) => return error.response(None).map(|text| Answer::own(text, None, turn)),
        };
        match inbound.admit(self.peer) {
            Admission::Pass => self.pass(inbound, self.peer.is_some(), turn).await,
            Admission::PassTo(origin) => {
                let mut response = self.pass(inbound, false, turn).await;
                guard::share(response.headers_mut(), origin);
                response
            }
            Admission::Preflight(headers) => preflight(inbound, headers, turn),
            Admission::Refused(why) => {
                let grpc = grpc::is(&inbound.head.headers);
                refuse(inbound.entry, &inbound.backend, &ProxyError::Guard(why), grpc, turn)
            }
        }
    }

    fn route(&self, head: http::request::Parts, body: Incoming) -> Result<Inbound, ProxyError> {
        let path = target::path(&head.method, &head.uri)?;
        let host = route::authority(&head.uri, &head.headers).map(route::host);
        let backend = self.here.find(&self.door.listen, host, path).ok_or(ProxyError::NoRoute)?;
        let clock = self.here.clock.clone();
        let entry = Entry::begin(backend.clone(), clock, self.here.clock.now(), &head.method, &head.uri);
        Ok(Inbound { head, body, backend, entry: Box::new(entry) })
    }

    async fn pass(&self, inbound: Inbound, own_origin: bool, turn: Turn) -> Response<Answer> {
        let backend = inbound.backend.clone();
        let grpc = grpc::is(&inbound.head.headers);
        let mut call = match self.prepare(inbound, own_origin, grpc) {
            Ok(call) => call,
            Err((entry, error)) => return refuse(entry, &backend, &error, grpc, turn),
        };
        match call.forward().await {
            Err(error) => refuse(call.entry, &backend, &error, grpc, turn),
            Ok(answer) if call.upgrade && answer.head.status == StatusCode::SWITCHING_PROTOCOLS => {
                self.switch(call, answer, turn)
            }
            Ok(answer) => self.local(call, answer, turn),
        }
    }

    fn prepare(&self, inbound: Inbound, own_origin: bool, grpc: bool) -> Result<Call, (Box<Entry>, ProxyError)> {
        let Inbound { mut head, body, backend, entry } = inbound;
        let settings = &backend.upstream.settings;
        let seat = match check(&head, settings.access.dot_segments)
            .and_then(|()| backend.seat(&head.headers, entry.began()))
        {
            Ok(seat) => seat,
            Err(error) => return Err((entry, error)),
        };
        let upgrade = upgrade::is_asked_for(&head);
        if head.version == Version::HTTP_2 {
            version::join_crumbs(&mut head.headers);
        }
        backend.rules.strip(&mut head.headers, own_origin);
        if upgrade {
            upgrade::mark(&mut head.headers);
        }
        head.version = Version::HTTP_11;
        let (gate, asked) = expect::gate(&head.headers).unzip();
        let limits = &self.here.limits;
        let caller = if grpc { Duration::MAX } else { limits.body_idle };
        let upstream = if grpc { Duration::MAX } else { settings.timeouts.response };
        let intake = Intake {
            keep: settings.retry.body,
            budget: self.here.budget.clone(),
            gate,
            slot: self.slot.clone(),
            patience: Patience { caller, upstream },
            rules: backend.rules.clone(),
        };
        let upload = Upload::new(body, intake);
        let (slot, clock) = (self.slot.clone(), self.here.clock.clone());
        Ok(Call { backend, seat, head, upload, asked, upgrade, patience: upstream, slot, clock, entry })
    }

    /// The upstream has left HTTP: so does the caller.
    fn switch(&self, call: Call, answer: Arrived, turn: Turn) -> Response<Answer> {
        let Arrived { mut head, .. } = answer;
        let mut entry = call.entry;
        entry.seat = Some(call.seat);
        entry.answered(head.status);
        strip(&mut head.headers);
        upgrade::mark(&mut head.headers);
        head.version = Version::HTTP_11;
        if let Some(upstream) = head.extensions.remove::<OnUpgrade>() {
            *self.tunnel.borrow_mut() = Some(Tunnel { upstream, entry });
        }
        Response::from_parts(head, Answer::own(Bytes::new(), None, turn))
    }

    /// The upstream's answer as the caller may see it.
    fn local(&self, call: Call, answer: Arrived, turn: Turn) -> Response<Answer> {
        let Arrived { mut head, body } = answer;
        strip(&mut head.headers);
        if names_an_address(&head.headers) {
            let named = route::authority(call.entry.uri(), &call.head.headers);
            let authority = named.unwrap_or(&self.door.authority);
            let mount = call.backend.upstream.settings.matches.mount();
            localise(&mut head.headers, &View { base: body.base(), authority, mount });
        }
        let mut entry = call.entry;
        entry.seat = Some(call.seat);
        head.version = Version::HTTP_11;
        entry.answered(head.status);
        Response::from_parts(head, Answer::upstream(body, entry, turn))
    }
}

impl Inbound {
    fn admit(&self, peer: Option<IpAddr>) -> Admission {
        let settings = &self.backend.upstream.settings;
        let call = guard::Call {
            peer,
            version: self.head.version,
            method: &self.head.method,
            authority: self.head.uri.authority().map(|authority| authority.as_str()),
            path: self.head.uri.path(),
            headers: &self.head.headers,
        };
        settings.access.admit(&call, settings.matches.host.as_deref())
    }
}

fn check(head: &http::request::Parts, dot_segments: bool) -> Result<(), ProxyError> {
    if !dot_segments && target::has_dot_segment(head.uri.path()) {
        return Err(ProxyError::BadRequest("the path has a dot segment"));
    }
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(ProxyError::BadRequest("the transfer coding is not chunked alone"));
    }
    Ok(())
}

fn refuse(mut entry: Box<Entry>, backend: &Backend, error: &ProxyError, grpc: bool, turn: Turn) -> Response<Answer> {
    entry.failed(error);
    let mut answer = error.response(Some(&backend.upstream.settings.name));
    if grpc {
        grpc::mark(&mut answer, error.row().detail);
    }
    answer.map(|text| Answer::own(text, Some(entry), turn))
}

fn preflight(mut inbound: Inbound, headers: http::HeaderMap, turn: Turn) -> Response<Answer> {
    inbound.entry.answered(StatusCode::NO_CONTENT);
    let mut response = Response::new(Answer::own(Bytes::new(), Some(inbound.entry), turn));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}
