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
use socket2::SockRef;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{AbortHandle, JoinSet};
use tower::ServiceExt;

use super::Peer;
use super::watched::{Activity, ActivitySensor, AdminStream, Watched};
use crate::shutdown::{Phase, Shutdown};

/// The maximum number of connections per socket: enough for probes, scrapers and some users.
pub const CONNECTIONS: usize = 32;
/// The size of the send buffer: how much of a response the system holds if the caller does not read.
const UNREAD: usize = 64 << 10;
/// The timeout for a request head, and between two requests.
const HEAD: Duration = Duration::from_secs(10);
/// The time for running responses at shutdown: `POST /quit` gets its own.
const FAREWELL: Duration = Duration::from_secs(1);
/// The pause after a failed accept, probably because of missing file descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// A socket of the admin listener.
#[derive(Debug)]
pub enum AdminListener {
    /// An address.
    Tcp(TcpListener),
    /// A unix socket, which has no peer, Host or browser rule.
    Unix(UnixListener),
}

impl AdminListener {
    async fn accept(&self) -> io::Result<(Box<dyn AdminStream>, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Without these options, only latency and fairness suffer.
                let _ = stream.set_nodelay(true);
                let _ = SockRef::from(&stream).set_send_buffer_size(UNREAD);
                Ok((Box::new(stream), Peer(Some(peer.ip()))))
            }
            Self::Unix(listener) => Ok((Box::new(listener.accept().await?.0), Peer(None))),
        }
    }
}

/// A connection that is being served.
struct Served {
    life: Arc<Activity>,
    task: AbortHandle,
}

/// Serves until the grace period ends: probes are answered while requests drain. Responses that are running then get
/// one more second.
///
/// Every new connection is accepted, so that a probe never waits. If there are too many, the one that has been idle
/// longest is closed.
pub async fn serve(listener: AdminListener, router: Router, shutdown: Shutdown) {
    let mut served = Vec::<Served>::new();
    let mut connections = JoinSet::new();
    let mut end = pin!(shutdown.reached(Phase::Cut));
    loop {
        tokio::select! {
            () = &mut end => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    make_room(&mut served, &mut connections).await;
                    let life = Arc::<Activity>::default();
                    let stream = Watched::new(stream, ActivitySensor::new(Arc::clone(&life)));
                    let connection = connection(stream, peer, router.clone(), shutdown.clone());
                    served.push(Served { life, task: connections.spawn(connection) });
                }
                Err(_) => tokio::time::sleep(BREATHER).await,
            },
        }
    }
    drop(listener);
    let farewell = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

async fn make_room(served: &mut Vec<Served>, connections: &mut JoinSet<()>) {
    served.retain(|served| !served.task.is_finished());
    while served.len() >= CONNECTIONS {
        let longest = served.iter().enumerate().min_by_key(|(_, served)| served.life.rank());
        let Some((longest, _)) = longest else { return };
        served.swap_remove(longest).task.abort();
    }
    while connections.len() >= CONNECTIONS && connections.join_next().await.is_some() {}
}

async fn connection(stream: Watched, peer: Peer, router: Router, shutdown: Shutdown) {
    let life = Arc::clone(&stream.sensor.life);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let (answer, handling) = (router.clone().oneshot(request), life.handling());
        async move {
            let _handling = handling;
            // A connection with pipelined requests takes turns with the others.
            tokio::task::yield_now().await;
            answer.await
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    // A broken connection is the caller's concern.
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::shutdown;

    fn watched(stream: DuplexStream) -> Watched {
        Watched::new(Box::new(stream), ActivitySensor::new(Arc::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_given_up_after_ten_seconds() {
        let (_trigger, shutdown) = shutdown::channel();
        let (mut caller, server) = duplex(1024);
        let start = tokio::time::Instant::now();
        tokio::spawn(connection(watched(server), Peer(None), Router::new(), shutdown));
        caller.write_all(b"GET / HTTP/1.1\r\nhost: localho").await.unwrap();
        caller.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cut_ends_an_idle_connection_at_once() {
        let (trigger, shutdown) = shutdown::channel();
        let (mut caller, server) = duplex(1024);
        let start = tokio::time::Instant::now();
        tokio::spawn(connection(watched(server), Peer(None), Router::new(), shutdown));
        caller.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        caller.read_exact(&mut [0; 12]).await.unwrap();
        trigger.advance(Phase::Cut);
        caller.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
