//! Connections to the admin listener.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::Peer;
use crate::shutdown::{Phase, Shutdown};

/// Enough for probes, scrapers and open dashboards.
const CONNECTIONS: usize = 128;
/// For a request's head, and between two requests.
const HEAD: Duration = Duration::from_secs(10);
/// For answers under way at the end: `POST /quit` gets its own.
const FAREWELL: Duration = Duration::from_secs(1);
/// After an accept that failed, most likely for want of file descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// Where admin is reached.
#[derive(Debug)]
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A socket file: it has no peer, Host or browser rule.
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Listener {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Only latency suffers where it cannot be set.
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), Peer(Some(peer.ip()))))
            }
            Self::Unix(listener) => Ok((Box::new(listener.accept().await?.0), Peer(None))),
        }
    }
}

/// Serves until the grace has run out: probes are answered while requests drain. Answers then under way get a second.
pub async fn serve(listener: Listener, router: Router, shutdown: Shutdown) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut end = pin!(shutdown.reached(Phase::Cut));
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|accepted| (accepted, permit))
        };
        tokio::select! {
            () = &mut end => break,
            Some(_) = connections.join_next() => {}
            accepted = accepted => match accepted {
                Ok(((stream, peer), permit)) => {
                    let connection = connection(stream, peer, router.clone(), shutdown.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(_) => tokio::time::sleep(BREATHER).await,
            },
        }
    }
    let farewell = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

async fn connection(stream: Box<dyn Stream>, peer: Peer, router: Router, shutdown: Shutdown) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    // A connection that breaks is the caller's business.
    let _ = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.reached(Phase::Cut) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::shutdown;

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_given_up_after_ten_seconds() {
        let (_trigger, shutdown) = shutdown::channel();
        let (mut caller, server) = duplex(1024);
        let start = tokio::time::Instant::now();
        tokio::spawn(connection(Box::new(server), Peer(None), Router::new(), shutdown));
        caller.write_all(b"GET / HTTP/1.1\r\nhost: localho").await.unwrap();
        caller.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cut_ends_an_idle_connection_at_once() {
        let (trigger, shutdown) = shutdown::channel();
        let (mut caller, server) = duplex(1024);
        let start = tokio::time::Instant::now();
        tokio::spawn(connection(Box::new(server), Peer(None), Router::new(), shutdown));
        caller.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        caller.read_exact(&mut [0; 12]).await.unwrap();
        trigger.advance(Phase::Cut);
        caller.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
