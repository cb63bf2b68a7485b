//! Lets callers in from one listening socket, until it is closed.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use super::connection;
use crate::panics;
use crate::proxy::backend::worker::Worker;
use crate::proxy::limits::metered::Metered;
use crate::proxy::listen::Listener;
use crate::proxy::request::serve::Caller;
use crate::proxy::socket::Socket;
use crate::record::Limit;

/// Out of descriptors or memory: accepting again at once would only spin.
const PAUSE: Duration = Duration::from_millis(100);

/// How many callers are told at a time that there are too many; the others are just closed.
const FAREWELLS: usize = 32;

/// Lets callers in.
pub(in crate::proxy) struct Acceptor {
    pub(in crate::proxy) worker: Rc<Worker>,
    pub(in crate::proxy) listener: Rc<Listener>,
}

impl Acceptor {
    pub(in crate::proxy) async fn tcp(self, listener: TcpListener, mut closed: oneshot::Receiver<()>) {
        while let Some(accepted) = until_closed(&mut closed, listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    self.accepted(Socket::Tcp(stream), Some(peer.ip().to_canonical()));
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    pub(in crate::proxy) async fn unix(self, listener: UnixListener, mut closed: oneshot::Receiver<()>) {
        while let Some(accepted) = until_closed(&mut closed, listener.accept()).await {
            match accepted {
                Ok((stream, _)) => self.accepted(Socket::Unix(stream), None),
                Err(error) => self.pause(&error).await,
            }
        }
    }

    /// The next caller is received whatever happens to this one.
    fn accepted(&self, socket: Socket, peer: Option<IpAddr>) {
        let _ = panics::catch(|| self.spawn_connection(socket, peer));
    }

    fn spawn_connection(&self, socket: Socket, peer: Option<IpAddr>) {
        panics::point("accept", &self.listener.authority);
        let admitted = match self.worker.admit() {
            Ok(admitted) => admitted,
            Err(limit) => return self.turn_away(socket, limit),
        };
        let caller = Caller::new(self.worker.clone(), self.listener.clone(), peer);
        let (limiter, account) = (self.worker.limiter.clone(), caller.deadline.account.clone());
        // The task is an edge for panics.
        let task = async move {
            let _admitted = admitted;
            panics::point("connection", &caller.listener.authority);
            connection::serve(socket, caller).await;
        };
        spawn_local(Metered::connection(task, limiter, account));
    }

    fn turn_away(&self, socket: Socket, limit: Limit) {
        self.worker.limiter.refused(limit);
        let told = self.worker.farewells.get();
        if told < FAREWELLS {
            let worker = self.worker.clone();
            worker.farewells.set(told.saturating_add(1));
            spawn_local(async move {
                let _ = panics::caught(connection::turn_away(socket, limit)).await;
                worker.farewells.set(worker.farewells.get().saturating_sub(1));
            });
        }
    }

    /// A caller that is gone before it was accepted is its own affair; everything else lasts a while, and is said once in
    /// that while. Most likely descriptors have run out: an idle upstream connection gives one back.
    async fn pause(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        if self.worker.limiter.should_log(Limit::Sockets) {
            tracing::warn!(%error, "cannot accept a connection");
        }
        self.worker.limiter.close_idle();
        tokio::time::sleep(PAUSE).await;
    }
}

/// The next caller; none once the socket is closed and nobody waits there any more.
async fn until_closed<T>(closed: &mut oneshot::Receiver<()>, accept: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        accepted = accept => Some(accepted),
        _ = closed => None,
    }
}
