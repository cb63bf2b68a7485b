mod access;
mod actions;
mod connections;
mod metrics;
mod probes;
mod status;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::*;
use crate::clock::{PausedClock, SharedClock};
use crate::guard::Access;
use crate::record::{ProxyRecord, TokenRecord, UpstreamRecord};
use crate::shutdown::{self, Trigger};
use crate::token::grant::Generation;
use crate::token::source::BoxFuture;
use crate::token::status::{Forced, State, Status};

/// A token with the status that the test sets.
#[derive(Default)]
struct FakeTokens {
    status: Mutex<Option<Status>>,
    forced: Mutex<Option<Result<Forced, SubjectError>>>,
    asked: Mutex<Vec<Option<String>>>,
}

impl TokenView for FakeTokens {
    fn status(&self) -> Option<Status> {
        self.status.lock().unwrap().clone()
    }

    fn subjects(&self) -> Option<u64> {
        Some(7)
    }

    fn force<'a>(&'a self, subject: Option<&'a str>) -> BoxFuture<'a, Result<Forced, SubjectError>> {
        self.asked.lock().unwrap().push(subject.map(str::to_owned));
        Box::pin(async { self.forced.lock().unwrap().clone().unwrap() })
    }
}

fn status(state: State) -> Status {
    let generation = (state != State::Starting).then_some(Generation(4));
    Status { state, generation, obtained_at: None, expires: None, next_renewal: None, last_error: None }
}

/// An admin listener with one required upstream, "younium", and its controls.
struct Stage {
    admin: Arc<Admin>,
    tokens: Arc<FakeTokens>,
    trigger: Trigger,
    commands: mpsc::Receiver<AdminCommand>,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Admin)) -> Self {
        let clock: SharedClock = Arc::new(PausedClock::start());
        let tokens = Arc::new(FakeTokens::default());
        *tokens.status.lock().unwrap() = Some(status(State::Fresh));
        let (trigger, shutdown) = shutdown::channel();
        let (sender, commands) = mpsc::channel(4);
        let proxy = Arc::new(ProxyRecord::default());
        proxy.beat(clock.now().since_start().as_secs());
        let mut admin = Admin {
            upstreams: ArcSwap::from_pointee(vec![upstream("younium", &tokens)]),
            access: Access::default(),
            quit: false,
            startup_hold: Duration::from_secs(15),
            proxy,
            born: Born::now(&clock),
            clock,
            shutdown,
            commands: sender,
        };
        change(&mut admin);
        Self { admin: Arc::new(admin), tokens, trigger, commands }
    }

    fn token_is(&self, status: Option<Status>) {
        *self.tokens.status.lock().unwrap() = status;
    }

    fn add(&self, upstream: AdminUpstream) {
        let mut upstreams = Vec::clone(&self.admin.upstreams.load());
        upstreams.push(upstream);
        self.admin.upstreams.store(Arc::new(upstreams));
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = router(Arc::clone(&self.admin)).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.into()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, LOCAL)).await
    }

    async fn post(&self, path: &str) -> Answer {
        self.send(request(Method::POST, path, LOCAL)).await
    }
}

fn upstream(name: &str, tokens: &Arc<FakeTokens>) -> AdminUpstream {
    AdminUpstream {
        name: name.into(),
        listen: "localhost:8080".to_owned(),
        url: Some("https://api.example".to_owned()),
        flow: "younium".to_owned(),
        required: true,
        record: Arc::new(UpstreamRecord::new(name)),
        token_record: Arc::new(TokenRecord::new(name)),
        tokens: Arc::clone(tokens) as Arc<dyn TokenView>,
    }
}

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn request(method: Method, path: &str, peer: IpAddr) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:9090");
    request.extension(Peer(Some(peer))).body(Body::empty()).unwrap()
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The code of an error; its format is checked.
    fn code(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string());
        (self.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }
}
