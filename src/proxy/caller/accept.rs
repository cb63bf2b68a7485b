//! Accepts connections on one listening socket until it is closed.

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

/// How long to wait after an error: without descriptors or memory, accepting again at once would only spin.
const PAUSE: Duration = Duration::from_millis(100);

/// How many refused callers are sent a response at the same time; further ones are just closed.
const MAX_REFUSALS: usize = 32;

/// Accepts connections.
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

    /// Starts serving a connection. A panic must not stop the acceptor.
    fn accepted(&self, socket: Socket, peer: Option<IpAddr>) {
        let _ = panics::catch(|| self.spawn_connection(socket, peer));
    }

    fn spawn_connection(&self, socket: Socket, peer: Option<IpAddr>) {
        panics::point("accept", &self.listener.authority);
        let admitted = match self.worker.admit() {
            Ok(admitted) => admitted,
            Err(limit) => return self.refuse(socket, limit),
        };
        let caller = Caller::new(self.worker.clone(), self.listener.clone(), peer);
        let (limiter, account) = (self.worker.limiter.clone(), caller.deadline.account.clone());
        // A panic ends only this task.
        let task = async move {
            let _admitted = admitted;
            panics::point("connection", &caller.listener.authority);
            connection::serve(socket, caller).await;
        };
        spawn_local(Metered::connection(task, limiter, account));
    }

    fn refuse(&self, socket: Socket, limit: Limit) {
        self.worker.limiter.refused(limit);
        let refusing = self.worker.refusals.get();
        if refusing < MAX_REFUSALS {
            let worker = self.worker.clone();
            worker.refusals.set(refusing.saturating_add(1));
            spawn_local(async move {
                let _ = panics::caught(connection::refuse(socket, limit)).await;
                worker.refusals.set(worker.refusals.get().saturating_sub(1));
            });
        }
    }

    /// Waits after an error. A caller that left before it was accepted needs no action. Other errors last for a while, so they
    /// are logged once in that time. Most likely there are no descriptors left: closing an idle upstream connection frees one.
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

/// The next connection; `None` once the socket is closed and its backlog is empty.
async fn until_closed<T>(closed: &mut oneshot::Receiver<()>, accept: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        accepted = accept => Some(accepted),
        _ = closed => None,
    }
}
