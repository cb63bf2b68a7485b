//! Every other test relies on the mock, so it is tested over real sockets with a third-party client.

mod dnb;
mod endpoints;
mod log;
mod oauth;
mod simacan;
mod switches;
mod yodlee;
mod younium;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::{Mock, Vendor};
use crate::clock::{Clock, Moment};

const FORM: &str = "application/x-www-form-urlencoded";
const SOON: Duration = Duration::from_secs(10);

/// A clock that moves only on request.
#[derive(Clone, Default)]
struct HandClock(Arc<AtomicU64>);

impl HandClock {
    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment::from_start(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }

    fn wall(&self) -> SystemTime {
        // 21 September 2027, 12:00:00 UTC, a Tuesday.
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_821_528_000 + self.0.load(Ordering::SeqCst))
    }
}

struct World {
    mock: Mock,
    clock: HandClock,
    http: Client,
}

/// A response.
struct Got {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}")).to_owned()
    }
}

impl World {
    async fn new() -> Self {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = HandClock::default();
        let mock = Mock::start(Arc::new(clock.clone())).await.unwrap();
        let http = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { mock, clock, http }
    }

    fn request(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> RequestBuilder {
        headers.iter().fold(self.http.request(method, url), |request, (name, value)| request.header(*name, *value))
    }

    async fn post(&self, url: &str, headers: &[(&str, &str)], body: impl Into<String>) -> Got {
        got(self.request(Method::POST, url, headers).body(body.into())).await
    }

    /// A GET below the API's base URL, with a token.
    async fn call(&self, vendor: &Vendor, path: &str, token: &str) -> Got {
        let url = format!("{}{path}", vendor.url());
        let headers = [("authorization", &*format!("Bearer {token}")), ("api-version", "1.1")];
        got(self.request(Method::GET, &url, &headers)).await
    }

    /// A call of the API without authentication.
    async fn open(&self, path: &str) -> Got {
        self.call(self.mock.open(), path, "none").await
    }
}

async fn got(request: RequestBuilder) -> Got {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Got { status, headers, body: answer.bytes().await.unwrap().to_vec() }
}

/// A form body.
fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
