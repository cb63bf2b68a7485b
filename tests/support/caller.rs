//! The calling application: what it sends and receives.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// A complete response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"))
    }

    /// The value of a header that must not be repeated.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "{name} is there more than once");
        Some(value)
    }

    /// The code of an error from bearerd; `None` for a response of the upstream.
    pub fn code(&self) -> Option<String> {
        self.header("proxy-status").filter(|status| status.starts_with("bearerd"))?;
        Some(self.json()["code"].as_str()?.to_owned())
    }
}

/// Asserts that a response is an error from bearerd, complete in head and body.
#[track_caller]
pub fn problem(answer: &Answer, status: u16, code: &str, kind: &str, upstream: Option<&str>) {
    let expected = format!("bearerd; error={kind}; details=\"{code}\"");
    assert_eq!((answer.status, answer.header("proxy-status")), (status, Some(&*expected)), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let body = answer.json();
    let told = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
    assert!(told("type") && told("title") && told("detail"), "{body}");
    assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)), "{body}");
    assert_eq!(body["upstream"].as_str(), upstream, "{body}");
}

/// A client that follows no redirects, keeps connections and uses no proxy.
pub fn client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).build().unwrap()
}

/// Sends a request and reads the response.
pub async fn call(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, body: answer.bytes().await.unwrap() }
}

/// A GET without more.
pub async fn get(url: &str) -> Answer {
    call(client().get(url)).await
}

/// A POST.
pub async fn post(url: &str, body: impl Into<reqwest::Body>) -> Answer {
    call(client().post(url).body(body)).await
}

/// A connection for writing and reading bytes.
pub struct Wire<S = TcpStream>(pub S);

impl Wire {
    /// Opens one.
    pub async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Sends a request on a new connection and reads until it closes.
    pub async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut wire = Self::open(address).await;
        wire.send(request).await;
        wire.rest().await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Sends bytes.
    pub async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until this text has come.
    pub async fn until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        let reading = async {
            while !read.windows(text.len()).any(|window| window == text.as_bytes()) {
                match self.0.read_u8().await {
                    Ok(byte) => read.push(byte),
                    Err(_) => panic!("closed before {text:?}: {:?}", String::from_utf8_lossy(&read)),
                }
            }
        };
        let done = timeout(PATIENCE, reading).await;
        let read = String::from_utf8_lossy(&read).into_owned();
        assert!(done.is_ok(), "{text:?} did not come: {read:?}");
        read
    }

    /// Reads until the connection closes.
    pub async fn rest(&mut self) -> String {
        let mut read = Vec::new();
        // A reset is an end too.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut read)).await.expect("the connection closes");
        String::from_utf8_lossy(&read).into_owned()
    }
}
