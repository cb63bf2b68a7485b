//! Opens connections. While one is being opened that may turn out to be HTTP/2, other requests wait for it instead of opening
//! their own.

use std::rc::Rc;

use tokio::sync::watch;

use super::connecting::Opened;
use super::shared::SharedConnection;
use super::{Connection, Pool};
use crate::panics;
use crate::proxy::error::Fault;
use crate::proxy::upstream::connect::{Purpose, Sender};

impl Pool {
    /// Opens a connection for one request that may become a tunnel.
    pub(crate) async fn open_for_upgrade(&self) -> Result<Connection, Fault> {
        self.connector.connect(Purpose::Upgrade).await.map(|sender| self.connection(sender))
    }

    /// Opens a connection. If another request is already opening one that may be shared, waits for that.
    pub(crate) async fn open(self: &Rc<Self>) -> Result<Connection, Fault> {
        if self.requires_http1(self.clock.now()) {
            return self.connector.connect(Purpose::Http1).await.map(|sender| self.connection(sender));
        }
        while self.connector.may_be_http2() && !self.connecting.http1.get() {
            let mut in_progress = self.in_progress();
            let opened = in_progress.wait_for(Option::is_some).await.ok().and_then(|opened| opened.clone());
            match opened {
                Some(Opened::Http2(shared)) if shared.has_room() => return Ok(Connection::Http2(shared.stream())),
                Some(Opened::Failed(fault)) => return Err(fault),
                Some(Opened::Http1) => {
                    if let Some(connection) = self.take(self.clock.now()) {
                        return Ok(connection);
                    }
                }
                Some(Opened::Http2(_)) | None => {}
            }
        }
        self.connector.connect(Purpose::Any).await.map(|sender| self.connection(sender))
    }

    fn connection(&self, sender: Sender) -> Connection {
        match sender {
            Sender::Http1(http1) => Connection::Http1(self.http1_connection(http1)),
            Sender::Http2(http2) => {
                // The server has switched from HTTP/1.1 to HTTP/2.
                self.connecting.http1.set(false);
                Connection::Http2(self.keep_shared(SharedConnection::new(http2, self.clock.clone())).stream())
            }
        }
    }

    fn keep_shared(&self, shared: Rc<SharedConnection>) -> Rc<SharedConnection> {
        self.shared.borrow_mut().push(shared.clone());
        shared
    }

    async fn open_for_all(&self) -> Opened {
        #[cfg(test)]
        panics::point("connect", &self.base.to_string());
        match self.connector.connect(Purpose::Any).await {
            Err(fault) => Opened::Failed(fault),
            Ok(Sender::Http2(http2)) => {
                Opened::Http2(self.keep_shared(SharedConnection::new(http2, self.clock.clone())))
            }
            Ok(Sender::Http1(http1)) => {
                self.connecting.http1.set(true);
                self.put_back(self.http1_connection(http1));
                Opened::Http1
            }
        }
    }

    /// Joins the attempt in progress or starts one. The attempt continues even if the request that started it is dropped.
    fn in_progress(self: &Rc<Self>) -> watch::Receiver<Option<Opened>> {
        let mut in_progress = self.connecting.in_progress.borrow_mut();
        if let Some(in_progress) = &*in_progress {
            return in_progress.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let pool = self.clone();
        tokio::task::spawn_local(async move {
            // Even after a panic, all waiting requests must get a result and the next one must find no attempt in progress.
            let opened = panics::caught(pool.open_for_all()).await;
            let opened = opened.unwrap_or(Opened::Failed(Fault::Internal));
            pool.connecting.in_progress.take();
            sender.send_replace(Some(opened));
        });
        *in_progress = Some(receiver.clone());
        receiver
    }
}
