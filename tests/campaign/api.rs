//! The API and its token endpoint, both unreliable: tokens live two seconds and some are revoked early, three of ten token
//! requests fail, connections are reset at every stage of a call.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::call::{body, sum};

const LIFE: Duration = Duration::from_secs(2);
/// Servers forgive clocks that differ a little.
const LEEWAY: Duration = Duration::from_secs(1);
const TOKEN_FAILURES: f64 = 0.30;
const REVOKED_EARLY: f64 = 0.01;
const RESETS: f64 = 0.002;

/// What happened to one call.
#[derive(Clone, Copy, Default, Debug)]
pub struct Fate {
    /// How often it was carried out.
    pub done: u32,
    /// How often it was refused for its token.
    pub refused: u32,
    /// How often its connection was reset.
    pub reset: u32,
}

/// The whole outside.
pub struct Api {
    pub port: u16,
    calls: Vec<AtomicU32>,
    tokens: Mutex<HashMap<String, Instant>>,
    pub token_requests: AtomicUsize,
    pub token_failures: AtomicUsize,
    pub revoked: AtomicUsize,
}

/// The connection is to be reset.
#[derive(Debug, thiserror::Error)]
#[error("reset")]
pub struct Reset;

const DONE: u32 = 1;
const REFUSED: u32 = 1 << 8;
const RESET: u32 = 1 << 16;

impl Api {
    pub async fn start(calls: usize) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            calls: (0..calls).map(|_| AtomicU32::new(0)).collect(),
            tokens: Mutex::default(),
            token_requests: AtomicUsize::default(),
            token_failures: AtomicUsize::default(),
            revoked: AtomicUsize::default(),
        });
        let serving = Arc::clone(&api);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let _ = stream.set_nodelay(true);
                // Whoever closes with this does not say goodbye.
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                let api = Arc::clone(&serving);
                let service = service_fn(move |request| Arc::clone(&api).answer(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        api
    }

    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    pub fn fate(&self, id: usize) -> Fate {
        let counts = self.calls[id].load(Ordering::SeqCst);
        Fate { done: counts & 0xff, refused: counts >> 8 & 0xff, reset: counts >> 16 & 0xff }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Answer>, Reset> {
        if request.uri().path() == "/token" {
            return self.token(request).await;
        }
        let (head, incoming) = request.into_parts();
        let number = |name: &str| head.headers.get(name)?.to_str().ok()?.parse::<usize>().ok();
        let (id, wanted) = (number("x-id").ok_or(Reset)?, number("x-answer").ok_or(Reset)?);
        let call = &self.calls[id];
        let fault = if fastrand::f64() < RESETS { fastrand::u8(1..=3) } else { 0 };
        if fault == 1 {
            call.fetch_add(RESET, Ordering::SeqCst);
            return Err(Reset);
        }
        if !self.accepts(&head.headers) {
            call.fetch_add(REFUSED, Ordering::SeqCst);
            // What was not read of the body would reset the connection.
            let _ = incoming.collect().await;
            return Ok(plain(StatusCode::UNAUTHORIZED, Bytes::from_static(b"{\"error\":\"invalid_token\"}")));
        }
        let Ok(sent) = incoming.collect().await.map(|body| body.to_bytes()) else { return Err(Reset) };
        call.fetch_add(DONE, Ordering::SeqCst);
        if head.headers.get("x-sum").is_none_or(|expected| expected.as_bytes() != sum(&sent).as_bytes()) {
            return Ok(plain(StatusCode::UNPROCESSABLE_ENTITY, Bytes::from_static(b"the body is not what was sent")));
        }
        if fault > 1 {
            call.fetch_add(RESET, Ordering::SeqCst);
        }
        match fault {
            2 => Err(Reset),
            3 => Ok(Response::new(Answer::Cut(Some(body(id, wanted / 2)), wanted))),
            _ => Ok(plain(StatusCode::OK, body(id, wanted))),
        }
    }

    /// Whether the token that came is one of ours, and lives.
    fn accepts(&self, headers: &HeaderMap) -> bool {
        let token = headers.get(header::AUTHORIZATION).and_then(|line| line.to_str().ok()?.strip_prefix("Bearer "));
        let tokens = self.tokens.lock().unwrap();
        token.and_then(|token| tokens.get(token)).is_some_and(|end| Instant::now() < *end)
    }

    async fn token(&self, request: Request<Incoming>) -> Result<Response<Answer>, Reset> {
        let _ = request.into_body().collect().await;
        let number = self.token_requests.fetch_add(1, Ordering::SeqCst);
        if fastrand::f64() < TOKEN_FAILURES {
            self.token_failures.fetch_add(1, Ordering::SeqCst);
            return match fastrand::u8(..3) {
                0 => Err(Reset),
                1 => Ok(plain(StatusCode::SERVICE_UNAVAILABLE, Bytes::new())),
                _ => Ok(plain(StatusCode::OK, Bytes::from_static(b"<html>maintenance</html>"))),
            };
        }
        let revoked = fastrand::f64() < REVOKED_EARLY;
        self.revoked.fetch_add(usize::from(revoked), Ordering::SeqCst);
        let life = if revoked { LIFE.mul_f64(fastrand::f64() * 0.7) } else { LIFE + LEEWAY };
        self.tokens.lock().unwrap().insert(format!("token-{number}"), Instant::now() + life);
        let text =
            format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{}}}"#, LIFE.as_secs());
        Ok(plain(StatusCode::OK, text.into()))
    }
}

fn plain(status: StatusCode, text: Bytes) -> Response<Answer> {
    let mut answer = Response::new(Answer::Whole(Full::new(text)));
    *answer.status_mut() = status;
    answer
}

/// An answer's body: whole, or one that breaks off before the length that it announced.
pub enum Answer {
    Whole(Full<Bytes>),
    Cut(Option<Bytes>, usize),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never: Infallible| match never {}),
            Self::Cut(half, _) => Poll::Ready(Some(half.take().map(Frame::data).ok_or(Reset))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Cut(_, whole) => SizeHint::with_exact(*whole as u64 + 1),
        }
    }
}
