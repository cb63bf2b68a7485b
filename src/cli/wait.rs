//! `bearerd wait`: polls the probes of the running proxy.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use super::args::{Wait, WaitFor};
use super::failure::{CommandFailure, FAILED, UNREACHABLE};
use crate::config::{Environment, Loader};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// The timeout of one attempt, so that a hanging proxy does not use up the whole time.
const ATTEMPT: Duration = Duration::from_secs(2);

/// The maximum size of a probe's response.
const LONGEST_ANSWER: u64 = 64 << 10;

pub(super) fn wait(args: &Wait, environment: Environment) -> Result<(), CommandFailure> {
    let admin = admin(args, environment);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandFailure::new(FAILED, format!("cannot wait: {error}")))?;
    let mut last = String::from("no answer yet");
    let waited = runtime.block_on(async { timeout(args.timeout, until(&admin, path(args.state), &mut last)).await });
    // A running DNS lookup would delay the end of the runtime.
    runtime.shutdown_background();
    waited.map_err(|_| {
        let message = format!("the proxy at {admin} is not {} after {:?}: {last}", word(args.state), args.timeout);
        CommandFailure::new(UNREACHABLE, message)
            .hint("set the address of its admin listener with `--admin` or BEARERD_ADMIN")
    })
}

fn admin(args: &Wait, environment: Environment) -> String {
    let named = args.admin.clone().or_else(|| environment.get("BEARERD_ADMIN").map(str::to_owned));
    let admin = named.or_else(|| Loader::new(environment).admin_listen());
    reachable(&admin.unwrap_or_else(|| "localhost:9090".into()))
}

/// Replaces an address that means "every address of this host" by loopback.
fn reachable(listen: &str) -> String {
    let listen = listen.trim_start_matches("http://").trim_end_matches('/');
    match listen.rsplit_once(':') {
        Some(("0.0.0.0", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => listen.to_owned(),
    }
}

fn path(state: WaitFor) -> &'static str {
    match state {
        WaitFor::Started => "/startupz",
        WaitFor::Ready => "/readyz",
        WaitFor::Live => "/livez",
    }
}

fn word(state: WaitFor) -> &'static str {
    match state {
        WaitFor::Started => "started",
        WaitFor::Ready => "ready",
        WaitFor::Live => "live",
    }
}

/// Whether a proxy responds there.
pub(super) fn answers(admin: &str) -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return false };
    let admin = reachable(admin);
    let answer = runtime.block_on(async { timeout(ATTEMPT, ask(&admin, path(WaitFor::Live))).await });
    runtime.shutdown_background();
    matches!(answer, Ok(Ok(_)))
}

async fn until(admin: &str, path: &str, last: &mut String) {
    loop {
        match timeout(ATTEMPT, ask(admin, path)).await {
            Ok(Ok(200)) => return,
            Ok(Ok(status)) => *last = format!("it answered {status}"),
            Ok(Err(error)) => *last = error.to_string(),
            Err(_) => *last = "it did not answer".into(),
        }
        sleep(PAUSE).await;
    }
}

async fn ask(admin: &str, path: &str) -> std::io::Result<u16> {
    match admin.strip_prefix("unix:") {
        Some(socket) => get(UnixStream::connect(socket).await?, path).await,
        None => get(TcpStream::connect(admin).await?, path).await,
    }
}

async fn get(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> std::io::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    status(&answer).ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    line.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_for_all_of_the_host_is_called_on_loopback() {
        assert_eq!(reachable("0.0.0.0:9090"), "127.0.0.1:9090");
        assert_eq!(reachable("[::]:9090"), "[::1]:9090");
        assert_eq!(reachable("http://localhost:1/"), "localhost:1");
        assert_eq!(reachable("unix:/run/admin.sock"), "unix:/run/admin.sock");
    }

    #[tokio::test]
    async fn waiting_ends_with_the_first_200() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = listener.local_addr().unwrap().to_string();
        let server = async {
            for status in ["503 Service Unavailable", "200 OK"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 256];
                let read = stream.read(&mut request).await.unwrap();
                assert!(request[..read].starts_with(b"GET /readyz HTTP/1.1\r\n"));
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        let mut last = String::new();
        tokio::join!(server, until(&admin, "/readyz", &mut last));
        assert_eq!(last, "it answered 503");
    }

    #[test]
    fn a_status_is_read_only_from_http() {
        assert_eq!(status(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), Some(503));
        assert_eq!(status(b"SSH-2.0-OpenSSH\r\n"), None);
        assert_eq!(status(b""), None);
    }
}
