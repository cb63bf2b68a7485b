//! The HTTP client for token requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::Request;
use tokio::sync::Semaphore;

use self::reply::REPLY;
pub(super) use self::reply::{NoReply, Reply};
use super::address::Chosen;
use crate::clock::{self, Moment, SharedClock};
use crate::endpoint::OutboundProxy;
use crate::token::source::QueuePlace;

mod coding;
mod failure;
mod reply;
mod resolver;

/// The timeout to connect, TLS included. It is shorter than the whole timeout, to tell an unreachable host from a slow
/// one.
const CONNECT: Duration = Duration::from_secs(5);
/// The maximum number of concurrent attempts; further ones queue.
const AT_A_TIME: usize = 16;
/// The maximum number of attempts for tokens that are new or being revoked. A burst of new subjects is served in order,
/// and renewals, on which other requests depend, pass it.
const COMING_AND_GOING: usize = 12;
/// The maximum number of header lines in a reply.
const LINES: usize = 1024;
/// How long to wait for the body of a refusal; its status says enough.
const WORDS: Duration = Duration::from_secs(1);

/// Sends token requests with the upstream's TLS settings and outbound proxy, never with proxies from the environment.
/// It follows no redirects, retries nothing, and keeps no idle connections, because token requests are rare.
#[derive(Clone)]
pub struct TokenClient {
    http: reqwest::Client,
    /// The client for hosts that a reply chose.
    public: reqwest::Client,
    at_a_time: Arc<Semaphore>,
    coming_and_going: Arc<Semaphore>,
    clock: SharedClock,
}

impl TokenClient {
    /// Builds a client with the upstream's TLS settings and outbound proxy.
    pub fn new(
        tls: Arc<rustls::ClientConfig>,
        proxy: Option<&OutboundProxy>,
        clock: SharedClock,
    ) -> Result<Self, ClientError> {
        let http = http_client(Arc::clone(&tls), proxy, false)?;
        let public = http_client(tls, proxy, true)?;
        let (at_a_time, coming_and_going) = (Semaphore::new(AT_A_TIME), Semaphore::new(COMING_AND_GOING));
        let (at_a_time, coming_and_going) = (Arc::new(at_a_time), Arc::new(coming_and_going));
        Ok(Self { http, public, at_a_time, coming_and_going, clock })
    }

    /// The time that lifetimes count from.
    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Wall-clock time, for requests that contain it.
    pub(super) fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    /// Waits for a place in the queue. `coming_or_going`: the token is new or being revoked. Semaphores are fair;
    /// tower's limit would wait within the request and use up its timeout.
    pub(super) async fn place(&self, coming_or_going: bool) -> QueuePlace {
        let lines = [coming_or_going.then_some(&self.coming_and_going), Some(&self.at_a_time)];
        let mut permits = Vec::new();
        for line in lines.into_iter().flatten() {
            permits.extend(Arc::clone(line).acquire_owned().await);
        }
        Box::new(permits)
    }

    /// Sends a request and reads the whole reply within `timeout`.
    pub(super) async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Reply, NoReply> {
        let began = AtomicBool::new(false);
        let chosen = request.extensions().get::<Chosen>().is_some();
        let http = if chosen { &self.public } else { &self.http };
        let call = exchange(http, &self.clock, request, &began);
        match clock::within(&*self.clock, timeout, call).await {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(error)) => Err(failure::explain(&*error)),
            None => Err(failure::late(timeout, began.load(Ordering::Relaxed))),
        }
    }
}

fn http_client(
    tls: Arc<rustls::ClientConfig>,
    proxy: Option<&OutboundProxy>,
    public: bool,
) -> Result<reqwest::Client, ClientError> {
    let mut tls = Arc::unwrap_or_clone(tls);
    // Token requests use HTTP/1.1 even if the data path offers HTTP/2 to the API.
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut builder = reqwest::Client::builder()
        // `Like-This`: some proxies look for `Content-Length` in exactly that case, and add a second one.
        .http1_title_case_headers()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .http1_max_headers(LINES)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(0)
        .no_proxy();
    if public {
        builder = builder.dns_resolver(resolver::Public);
    }
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy.for_client().map_err(|error| ClientError(error.to_string()))?);
    }
    builder.build().map_err(|error| {
        ClientError(format!("cannot set up the HTTP client for token requests: {}", error.without_url()))
    })
}

async fn exchange(
    client: &reqwest::Client,
    clock: &SharedClock,
    request: Request<Bytes>,
    began: &AtomicBool,
) -> Result<Reply, tower::BoxError> {
    let (sent, sent_wall) = (clock.now(), clock.wall());
    let request = reqwest::Request::try_from(request)?;
    let mut response = client.execute(request).await?;
    began.store(true, Ordering::Relaxed);
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let mut body = BytesMut::new();
    let whole = if status.is_success() {
        read(&mut response, &mut body).await?;
        true
    } else {
        // The status of a refusal counts even if its body cannot be read.
        tokio::time::timeout(WORDS, read(&mut response, &mut body)).await.is_ok_and(|read| read.is_ok())
    };
    let (body, unread) = match coding::decoded(&headers, body.freeze()) {
        Ok(body) => (body, (!whole).then(|| "the reply was cut off".to_owned())),
        Err(why) => (Bytes::new(), Some(why)),
    };
    Ok(Reply { status, headers, body, unread, sent, sent_wall, received_wall: clock.wall() })
}

async fn read(response: &mut reqwest::Response, body: &mut BytesMut) -> Result<(), tower::BoxError> {
    while let Some(chunk) = response.chunk().await.map_err(failure::ReplyCut)? {
        if body.len().saturating_add(chunk.len()) > REPLY {
            return Err(failure::TooLarge.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

/// Why a client could not be built.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClientError(pub String);

#[cfg(test)]
mod tests;
