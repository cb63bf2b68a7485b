//! A regular caller, and the attackers.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::world::on_a_thread;

/// Makes a hundred requests a second on one connection, on its own thread.
pub(crate) struct Healthy {
    end: Arc<AtomicBool>,
    asking: JoinHandle<Experience>,
}

/// Its results.
#[derive(Default)]
pub(crate) struct Experience {
    pub(crate) answered: usize,
    pub(crate) failed: Vec<String>,
    took: Vec<Duration>,
}

impl fmt::Display for Experience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut took = self.took.clone();
        took.sort();
        let at = |part: f64| took.get((took.len() as f64 * part) as usize).copied().unwrap_or_default();
        write!(f, "{} answers, p50 {:?}, p99 {:?}, at most {:?}", self.answered, at(0.5), at(0.99), took.last())
    }
}

impl Healthy {
    /// Returns once it has its first response.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(exchange(&mut stream, "/quick").unwrap(), "200");
        let end = Arc::new(AtomicBool::new(false));
        let asking = std::thread::spawn({
            let end = end.clone();
            move || ask(stream, &end)
        });
        Self { end, asking }
    }

    /// Its results after this time.
    pub(crate) fn after(self, time: Duration) -> Experience {
        std::thread::sleep(time);
        self.end.store(true, Ordering::Relaxed);
        self.asking.join().unwrap()
    }
}

fn ask(mut stream: std::net::TcpStream, end: &AtomicBool) -> Experience {
    let mut seen = Experience::default();
    while !end.load(Ordering::Relaxed) {
        let began = Instant::now();
        match exchange(&mut stream, "/quick") {
            Ok(status) if status == "200" => seen.answered += 1,
            Ok(status) => seen.failed.push(status),
            Err(error) => {
                seen.failed.push(error.to_string());
                return seen;
            }
        }
        seen.took.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
    seen
}

/// Makes a request, reads the response, and returns its status.
fn exchange(stream: &mut std::net::TcpStream, path: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let (mut read, mut some) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read);
        let lower = text.to_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let length =
                lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            if read.len() >= end + 4 + length.unwrap_or(0_usize) {
                return Ok(text.split(' ').nth(1).unwrap_or_default().to_owned());
            }
        }
        let count = stream.read(&mut some)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&some[..count]);
    }
}

/// Requests each probe on a connection of its own until the end, on its own thread.
pub(crate) struct Probes(Arc<AtomicBool>, JoinHandle<(usize, Vec<String>)>);

impl Probes {
    pub(crate) fn start(admin: SocketAddr) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let asking = std::thread::spawn({
            let end = end.clone();
            move || probe(admin, &end)
        });
        Self(end, asking)
    }

    /// The number of successful probes, and all other results.
    pub(crate) fn end(self) -> (usize, Vec<String>) {
        self.0.store(true, Ordering::Relaxed);
        self.1.join().unwrap()
    }
}

fn probe(admin: SocketAddr, end: &AtomicBool) -> (usize, Vec<String>) {
    let (mut answered, mut failed) = (0, Vec::new());
    while !end.load(Ordering::Relaxed) {
        for path in ["/livez", "/readyz", "/startupz"] {
            let asked = std::net::TcpStream::connect(admin).and_then(|mut stream| {
                stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                exchange(&mut stream, path)
            });
            match asked {
                Ok(status) if status == "200" => answered += 1,
                other => failed.push(format!("{path}: {other:?}")),
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    (answered, failed)
}

type Counts = BTreeMap<&'static str, Arc<AtomicUsize>>;

/// All attackers, on their own thread.
pub(crate) struct Attackers {
    end: Arc<Notify>,
    counts: Counts,
}

impl Attackers {
    /// Stops them and returns how many rounds each kind made.
    pub(crate) fn end(self) -> BTreeMap<&'static str, usize> {
        self.end.notify_one();
        self.counts.into_iter().map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect()
    }
}

/// Starts all attacks.
pub(crate) fn attack(api: SocketAddr, admin: SocketAddr) -> Attackers {
    let names = ["fields", "deaf uploads", "unread", "uploads", "slow", "metrics", "silent"];
    let counts: Counts = names.map(|name| (name, Arc::default())).into();
    let end = Arc::<Notify>::default();
    let (rounds, ends) = (counts.clone(), end.clone());
    on_a_thread(async move {
        give_way();
        let mut all = JoinSet::new();
        let large = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let slow = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";
        repeat(&mut all, &rounds["fields"], 12, move || fields(api));
        repeat(&mut all, &rounds["deaf uploads"], 8, move || deaf(api));
        repeat(&mut all, &rounds["unread"], 300, move || holding(api, large.to_vec()));
        repeat(&mut all, &rounds["uploads"], 600, move || upload(api));
        repeat(&mut all, &rounds["slow"], 900, move || holding(api, slow.to_vec()));
        repeat(&mut all, &rounds["metrics"], 128, move || holding(admin, b"GET /metrics HTTP/1.1\r\n\r\n".repeat(200)));
        repeat(&mut all, &rounds["silent"], 140, move || holding(admin, Vec::new()));
        ends.notified().await;
    });
    Attackers { end, counts }
}

/// Callers have processors of their own; here they share one machine with bearerd, so this thread gives way to it.
fn give_way() {
    rustix::process::nice(19).unwrap();
}

fn repeat<F>(
    all: &mut JoinSet<()>,
    rounds: &Arc<AtomicUsize>,
    count: usize,
    each: impl Fn() -> F + Clone + Send + 'static,
) where
    F: Future<Output = Option<()>> + Send + 'static,
{
    for _ in 0..count {
        let (each, rounds) = (each.clone(), rounds.clone());
        all.spawn(async move {
            loop {
                let _ = each().await;
                rounds.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
}

/// Sends, then does not read, until it is disconnected.
async fn holding(address: SocketAddr, bytes: Vec<u8>) -> Option<()> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(&bytes).await.ok()?;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let sent = stream.try_write(b"");
        let ended = stream.ready(tokio::io::Interest::ERROR | tokio::io::Interest::WRITABLE).await.ok()?;
        if sent.is_err() || ended.is_error() || ended.is_write_closed() {
            return None;
        }
    }
}

async fn upload(address: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let body = vec![b'x'; 1 << 20];
    stream.write_all(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n").await.ok()?;
    stream.write_all(&body).await.ok()?;
    stream.read(&mut [0; 1024]).await.ok().map(|_| ())
}

async fn http2(address: SocketAddr) -> Option<(SendRequest<Bytes>, JoinSet<()>)> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (client, connection) = h2::client::handshake(stream).await.ok()?;
    let mut driving = JoinSet::new();
    driving.spawn(async move { drop(connection.await) });
    Some((client.ready().await.ok()?, driving))
}

/// Ninety-nine slow requests, each with as many header fields as the limit allows: one byte each in HPACK.
async fn fields(address: SocketAddr) -> Option<()> {
    let (mut client, mut driving) = http2(address).await?;
    let mut answers = Vec::new();
    for _ in 0..99 {
        let mut request = Request::get("http://localhost/slow").body(()).ok()?;
        for _ in 0..1700 {
            request.headers_mut().append("x", http::HeaderValue::from_static("y"));
        }
        client = client.ready().await.ok()?;
        answers.push(client.send_request(request, true).ok()?);
    }
    driving.join_next().await;
    None
}

async fn deaf(address: SocketAddr) -> Option<()> {
    let (mut client, mut driving) = http2(address).await?;
    let mut streams = Vec::new();
    for _ in 0..8 {
        client = client.ready().await.ok()?;
        let (answer, mut body) =
            client.send_request(Request::post("http://localhost/deaf").body(()).ok()?, false).ok()?;
        body.send_data(vec![b'x'; 4 << 20].into(), false).ok()?;
        streams.push((answer, body));
    }
    driving.join_next().await;
    None
}
