//! A scene: tokens, a data thread and an upstream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use tokio::net::TcpStream;

use super::fixture;
use super::wire::{Caller, WireMessage};
use crate::clock::{SharedClock, SystemClock};
use crate::proxy::backend::route::Routes;
use crate::proxy::listen::bind;
use crate::proxy::server::DataThread;
use crate::proxy::settings::{Base, Bounds, Limits, UpstreamSettings};
use crate::proxy::{Tokens, Upstream};
use crate::record::{ProxyRecord, TokenRecord, UpstreamRecord};
use crate::shutdown::{Trigger, channel};
use crate::tls::{TlsSettings, client_config};
use crate::token::fake::{FakeSource, grant};
use crate::token::grant::Token;
use crate::token::key::{RecipeWriter, StoreKey, Subject, SubjectRule, TokenKey};
use crate::token::patch::{CasedName, Owned, Patch};
use crate::token::pool::TokenPool;
use crate::token::source::MintError;
use crate::token::spec::TokenSpec;
use crate::token::store::memory::MemoryStore;
use crate::token::usage::{PatchError, Usage, Verdict};

/// A response with this status makes the verdict panic.
pub(in crate::proxy::tests) const PANICS: u16 = 599;

/// The header that carries a request's signature.
pub(in crate::proxy::tests) const SIGNATURE: &str = "x-signature";

/// Sends the generation as a bearer token. It has expired if the response is a 401, or a 200 whose JSON says so.
pub(in crate::proxy::tests) struct Bearer {
    pub(in crate::proxy::tests) bodies: bool,
    pub(in crate::proxy::tests) signs: bool,
}

impl Usage for Bearer {
    fn patch(&self, token: &Token) -> Result<Patch, PatchError> {
        let value = HeaderValue::try_from(format!("Bearer g{}", token.generation.0)).unwrap();
        let mut headers = vec![(header::AUTHORIZATION.into(), value)];
        let subject = token.subject.as_ref().map(|subject| HeaderValue::try_from(subject.as_str()).unwrap());
        headers.extend(subject.map(|subject| (HeaderName::from_static("x-token-of").into(), subject)));
        Ok(Patch { headers, ..Patch::default() })
    }

    fn sign(&self, token: &Token, method: &Method, target: &Uri) -> Vec<(CasedName, HeaderValue)> {
        let name = CasedName::new(HeaderName::from_static(SIGNATURE), SIGNATURE);
        let value = || format!("g{} {method} {target}", token.generation.0).parse().unwrap();
        if self.signs { vec![(name, value())] } else { Vec::new() }
    }

    fn verdict(&self, status: StatusCode, _: &HeaderMap) -> Verdict {
        match status {
            StatusCode::UNAUTHORIZED => Verdict::Expired,
            _ if status == PANICS => panic!("on purpose"),
            _ if self.bodies => Verdict::AskBody,
            _ => Verdict::Accepted,
        }
    }

    fn body_says_expired(&self, _: StatusCode, _: &HeaderMap, body: &[u8]) -> bool {
        serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|json| json["code"] == "expired")
    }

    fn reads_bodies(&self) -> bool {
        self.bodies
    }
}

/// The parts of a scene that a test may change before it starts.
pub(in crate::proxy::tests) struct Setting {
    pub(in crate::proxy::tests) upstream: UpstreamSettings,
    pub(in crate::proxy::tests) limits: Limits,
    pub(in crate::proxy::tests) bounds: Bounds,
    pub(in crate::proxy::tests) owned: Owned,
    pub(in crate::proxy::tests) bodies: bool,
    /// Whether each request is signed.
    pub(in crate::proxy::tests) signs: bool,
    pub(in crate::proxy::tests) tls: TlsSettings,
    pub(in crate::proxy::tests) subjects: Option<SubjectRule>,
    /// The outcome of each call of the token endpoint, by its number.
    pub(in crate::proxy::tests) mint: fn(usize) -> Option<MintError>,
}

impl Setting {
    /// A setting with one upstream at this address.
    pub(in crate::proxy::tests) fn to(api: SocketAddr) -> Self {
        let mut upstream = fixture::settings("api");
        upstream.base = Some(Base::parse(&format!("http://{api}")).unwrap());
        let owned = Owned { headers: vec![header::AUTHORIZATION], ..Owned::default() };
        Self {
            upstream,
            limits: Limits::default(),
            bounds: Bounds::default(),
            owned,
            bodies: false,
            signs: false,
            tls: TlsSettings::default(),
            subjects: None,
            mint: |_| None,
        }
    }

    pub(in crate::proxy::tests) fn start(self) -> Scene {
        let clock: SharedClock = Arc::new(SystemClock);
        let pool = TokenPool::start(clock.clone(), Arc::new(MemoryStore::default()), fastrand::Rng::with_seed(7));
        let source = source(clock.clone(), self.mint);
        let token_record = Arc::new(TokenRecord::new("api"));
        let spec = TokenSpec {
            key: TokenKey { recipe: RecipeWriter::default().finish(), subject: None },
            store_key: StoreKey::new(["api"]),
            source: source.clone(),
            policy: Arc::default(),
            record: token_record.clone(),
            prove: false,
        };
        let record = Arc::new(UpstreamRecord::new("api"));
        let upstream = Upstream {
            owned: self.owned,
            usage: Arc::new(Bearer { bodies: self.bodies, signs: self.signs }),
            tokens: tokens(self.subjects, pool.clone(), spec),
            tls: client_config(&self.tls).unwrap(),
            record: record.clone(),
            token_record,
            settings: self.upstream,
        };
        let bound = bind(std::slice::from_ref(&upstream.settings.listen)).unwrap();
        let address = bound[0].local_addr().unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
        let routes = Arc::new(ArcSwap::from_pointee(Routes::new([Arc::new(upstream)])));
        let (trigger, shutdown) = channel();
        let proxy_record = Arc::new(ProxyRecord::default());
        let thread =
            DataThread::spawn(bound, routes.clone(), self.limits, self.bounds, clock, proxy_record.clone(), shutdown)
                .unwrap();
        Scene { address, thread, trigger, record, proxy_record, source, routes, _pool: pool }
    }
}

fn tokens(subjects: Option<SubjectRule>, pool: TokenPool, spec: TokenSpec) -> Tokens {
    let Some(rule) = subjects else { return Tokens::One(pool.open(spec)) };
    let open = move |subject: &Subject| {
        let key = TokenKey { subject: Some(subject.clone()), ..spec.key.clone() };
        pool.open(TokenSpec { key, store_key: spec.store_key.with_subject(subject), ..spec.clone() })
    };
    Tokens::PerSubject { rule, open: Arc::new(open) }
}

fn source(clock: SharedClock, mint: fn(usize) -> Option<MintError>) -> Arc<FakeSource> {
    let now = clock.clone();
    Arc::new(FakeSource::new(clock, move |number, _| {
        let token = || grant(number, now.now(), Duration::from_secs(3600));
        (Duration::ZERO, mint(number).map_or_else(|| Ok(token()), Err))
    }))
}

/// A running data thread.
pub(in crate::proxy::tests) struct Scene {
    pub(in crate::proxy::tests) address: SocketAddr,
    pub(in crate::proxy::tests) thread: DataThread,
    pub(in crate::proxy::tests) trigger: Trigger,
    pub(in crate::proxy::tests) record: Arc<UpstreamRecord>,
    pub(in crate::proxy::tests) proxy_record: Arc<ProxyRecord>,
    pub(in crate::proxy::tests) source: Arc<FakeSource>,
    pub(in crate::proxy::tests) routes: Arc<ArcSwap<Routes>>,
    _pool: TokenPool,
}

impl Scene {
    /// Opens a caller's connection.
    pub(in crate::proxy::tests) async fn caller(&self) -> Caller {
        Caller::of(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends one request on a new connection.
    pub(in crate::proxy::tests) async fn ask(&self, request: impl AsRef<[u8]>) -> WireMessage {
        let mut caller = self.caller().await;
        caller.send(request).await;
        caller.response().await
    }

    /// Sends a GET for this target.
    pub(in crate::proxy::tests) async fn get(&self, target: &str) -> WireMessage {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }
}
