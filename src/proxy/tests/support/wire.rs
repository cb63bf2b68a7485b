//! Both ends of HTTP/1.1 as bytes: a caller, and an upstream with scripted responses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything here takes, and short enough to end a test that hangs.
pub(in crate::proxy::tests) const LONG: Duration = Duration::from_secs(20);

/// A message as it was on the wire.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy::tests) struct WireMessage {
    /// The first line.
    pub(in crate::proxy::tests) line: String,
    pub(in crate::proxy::tests) headers: HeaderMap,
    /// The head, unchanged.
    pub(in crate::proxy::tests) raw: String,
    pub(in crate::proxy::tests) body: Vec<u8>,
    /// The trailers.
    pub(in crate::proxy::tests) trailers: String,
}

impl WireMessage {
    pub(in crate::proxy::tests) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
    }

    pub(in crate::proxy::tests) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub(in crate::proxy::tests) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(in crate::proxy::tests) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of an error response that bearerd made.
    pub(in crate::proxy::tests) fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// One end of a connection, as bytes.
pub(in crate::proxy::tests) struct Caller {
    pub(in crate::proxy::tests) stream: TcpStream,
    read: Vec<u8>,
}

impl Caller {
    pub(in crate::proxy::tests) fn of(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(in crate::proxy::tests) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = tokio::time::timeout(LONG, self.stream.write_all(bytes.as_ref())).await.expect("sending hangs");
        sent.unwrap();
    }

    async fn more(&mut self) -> bool {
        let mut bytes = vec![0; 65536];
        let read = tokio::time::timeout(LONG, self.stream.read(&mut bytes)).await.expect("nothing comes");
        let length = read.unwrap_or(0);
        self.read.extend_from_slice(&bytes[..length]);
        length > 0
    }

    /// Whether the other end closes, now or soon.
    pub(in crate::proxy::tests) async fn is_closed(&mut self) -> bool {
        while self.more().await {}
        true
    }

    /// Reads up to and including `end`.
    pub(in crate::proxy::tests) async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Some(self.read.drain(..at + end.len()).collect());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub(in crate::proxy::tests) async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.read.len() < length {
            if !self.more().await {
                return None;
            }
        }
        Some(self.read.drain(..length).collect())
    }

    /// Reads the next head.
    pub(in crate::proxy::tests) async fn head(&mut self) -> Option<WireMessage> {
        let raw = String::from_utf8(self.until(b"\r\n\r\n").await?).unwrap();
        let mut headers = HeaderMap::new();
        for line in raw.lines().skip(1).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value.trim()).unwrap());
        }
        let line = raw.lines().next().unwrap().to_owned();
        Some(WireMessage { line, headers, raw, ..WireMessage::default() })
    }

    /// Reads the next message, up to the end of the connection if nothing else bounds it.
    pub(in crate::proxy::tests) async fn message(&mut self, bounded: bool) -> Option<WireMessage> {
        let mut message = self.head().await?;
        if matches!(message.status(), 204 | 304) {
            return Some(message);
        }
        if message.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await? {
                message.body.extend(chunk);
            }
            let mut trailers = Vec::new();
            while let Some(line) = self.until(b"\r\n").await.filter(|line| line != b"\r\n") {
                trailers.extend(line);
            }
            message.trailers = String::from_utf8(trailers).unwrap();
        } else if let Some(length) = message.header("content-length").and_then(|length| length.parse().ok()) {
            message.body = self.exactly(length).await?;
        } else if !bounded {
            while self.more().await {}
            message.body = std::mem::take(&mut self.read);
        }
        Some(message)
    }

    /// Reads the next chunk; `None` for the last one.
    pub(in crate::proxy::tests) async fn chunk(&mut self) -> Option<Option<Vec<u8>>> {
        let size = self.until(b"\r\n").await?;
        let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
        if size == 0 {
            return Some(None);
        }
        let chunk = self.exactly(size).await?;
        self.exactly(2).await?;
        Some(Some(chunk))
    }

    pub(in crate::proxy::tests) async fn response(&mut self) -> WireMessage {
        self.message(false).await.expect("the connection ended before the response")
    }
}

/// An upstream that computes each response from the request and records the requests. Connections are kept alive.
pub(in crate::proxy::tests) struct Api {
    pub(in crate::proxy::tests) address: SocketAddr,
    seen: Arc<Mutex<Vec<WireMessage>>>,
    connections: Arc<Mutex<usize>>,
}

impl Api {
    pub(in crate::proxy::tests) async fn start<A: AsRef<[u8]> + Send + 'static>(
        handler: impl Fn(&WireMessage) -> A + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Self { address: listener.local_addr().unwrap(), seen: Arc::default(), connections: Arc::default() };
        let (seen, connections, handler) = (api.seen.clone(), api.connections.clone(), Arc::new(handler));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(talk(Caller::of(stream), seen.clone(), handler.clone()));
            }
        });
        api
    }

    pub(in crate::proxy::tests) fn seen(&self) -> Vec<WireMessage> {
        self.seen.lock().unwrap().clone()
    }

    pub(in crate::proxy::tests) fn last(&self) -> WireMessage {
        self.seen().pop().unwrap()
    }

    pub(in crate::proxy::tests) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

async fn talk<A: AsRef<[u8]> + Send>(
    mut caller: Caller,
    seen: Arc<Mutex<Vec<WireMessage>>>,
    handler: Arc<impl Fn(&WireMessage) -> A + Send + Sync>,
) {
    while let Some(request) = caller.message(true).await {
        seen.lock().unwrap().push(request.clone());
        caller.send(handler(&request)).await;
    }
}

/// An upstream whose connections a test serves itself.
pub(in crate::proxy::tests) struct ManualApi(TcpListener);

impl ManualApi {
    pub(in crate::proxy::tests) async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self(listener), address)
    }

    pub(in crate::proxy::tests) async fn accept(&self) -> Caller {
        let accepted = tokio::time::timeout(LONG, self.0.accept()).await.expect("no connection arrives");
        Caller::of(accepted.unwrap().0)
    }
}

/// A response with this status and body.
pub(in crate::proxy::tests) fn response_with(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Waits until a condition holds.
pub(in crate::proxy::tests) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
}
