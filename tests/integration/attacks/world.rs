//! An API that is fast, slow, endless or does not read, depending on the path, with a token endpoint whose tokens live
//! a few seconds.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The lifetime of a token in seconds.
pub(crate) const LIFE: u64 = 4;

#[derive(Default)]
struct Shared {
    logins: AtomicUsize,
    issued: Mutex<Vec<Instant>>,
}

/// The API and the token endpoint.
pub(crate) struct World {
    api: SocketAddr,
    quick: SocketAddr,
    login: SocketAddr,
    shared: Arc<Shared>,
}

impl World {
    /// The API that is attacked, one that is not, and the token endpoint, each on a thread of its own: one that is busy does
    /// not make the others slow.
    pub(crate) fn start() -> Self {
        let shared = Arc::<Shared>::default();
        Self { api: listen(&shared), quick: listen(&shared), login: listen(&shared), shared }
    }

    pub(crate) fn api(&self) -> SocketAddr {
        self.api
    }

    pub(crate) fn quick(&self) -> SocketAddr {
        self.quick
    }

    pub(crate) fn login(&self) -> SocketAddr {
        self.login
    }

    pub(crate) fn logins(&self) -> usize {
        self.shared.logins.load(Ordering::Relaxed)
    }
}

fn listen(shared: &Arc<Shared>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    // With a full backlog, a connection would wait for seconds.
    socket2::SockRef::from(&listener).listen(4096).unwrap();
    let (address, shared) = (listener.local_addr().unwrap(), shared.clone());
    on_a_thread(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, shared.clone()));
        }
    });
    address
}

/// Runs a task until the test process ends.
pub(crate) fn on_a_thread(task: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime.block_on(task));
}

impl Shared {
    fn issue(&self) -> String {
        let number = self.logins.fetch_add(1, Ordering::Relaxed);
        self.issued.lock().unwrap().push(Instant::now());
        format!("{{\"access_token\":\"t{number}\",\"token_type\":\"bearer\",\"expires_in\":{LIFE}}}")
    }

    fn knows(&self, head: &str) -> bool {
        let number =
            head.split("uthorization: Bearer t").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let issued = self.issued.lock().unwrap();
        let issued = number.and_then(|number: usize| issued.get(number));
        issued.is_some_and(|issued| issued.elapsed() < Duration::from_secs(LIFE))
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            (stream.read_buf(&mut read).await.ok()? > 0).then_some(())?;
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        read.drain(..end);
        let path = head.split(' ').nth(1)?;
        if path != "/token" && !shared.knows(&head) {
            return say(&mut stream, "401 Unauthorized", b"").await;
        }
        match path {
            "/slow" | "/deaf" => return std::future::pending().await,
            "/large" => return endless(&mut stream).await,
            _ => {}
        }
        let length = head
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let mut left = length.unwrap_or(0_usize);
        while left > 0 {
            left = left.saturating_sub(read.len());
            read.clear();
            if left > 0 {
                (stream.read_buf(&mut read).await.ok()? > 0).then_some(())?;
            }
        }
        let body = if path == "/token" { shared.issue().into_bytes() } else { vec![b'x'; 1024] };
        say(&mut stream, "200 OK", &body).await?;
    }
}

async fn say(stream: &mut TcpStream, status: &str, body: &[u8]) -> Option<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await.ok()
}

async fn endless(stream: &mut TcpStream) -> Option<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n").await.ok()?;
    let some = vec![b'x'; 1 << 16];
    loop {
        stream.write_all(&some).await.ok()?;
    }
}
