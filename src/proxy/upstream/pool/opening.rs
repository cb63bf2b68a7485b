//! Opens connections. While one is being opened that may turn out to be HTTP/2, other requests wait for it instead of opening
//! their own.

use std::rc::Rc;

use tokio::sync::watch;

use super::dialling::Opened;
use super::shared::SharedConnection;
use super::{Connection, Pool};
use crate::panics;
use crate::proxy::error::Fault;
use crate::proxy::upstream::connect::{Sender, Want};

impl Pool {
    /// Opens a connection for one request that may become a tunnel.
    pub(crate) async fn open_for_upgrade(&self) -> Result<Connection, Fault> {
        self.dial.connect(Want::Upgrade).await.map(|sender| self.connection(sender))
    }

    /// Opens a connection, or joins one that has just been opened: in any case none that was idle in the pool before this
    /// request.
    pub(crate) async fn open(self: &Rc<Self>) -> Result<Connection, Fault> {
        if self.requires_http1(self.clock.now()) {
            return self.dial.connect(Want::Http1).await.map(|sender| self.connection(sender));
        }
        while self.dial.may_be_http2() && !self.dialling.http1.get() {
            let mut under_way = self.under_way();
            let opened = under_way.wait_for(Option::is_some).await.ok().and_then(|opened| opened.clone());
            match opened {
                Some(Opened::Http2(shared)) if shared.has_room() => return Ok(Connection::Http2(shared.share())),
                Some(Opened::Failed(fault)) => return Err(fault),
                Some(Opened::Http1) => {
                    if let Some(connection) = self.take(self.clock.now()) {
                        return Ok(connection);
                    }
                }
                Some(Opened::Http2(_)) | None => {}
            }
        }
        self.dial.connect(Want::Any).await.map(|sender| self.connection(sender))
    }

    fn connection(&self, sender: Sender) -> Connection {
        match sender {
            Sender::Http1(http1) => Connection::Http1(self.own(http1)),
            Sender::Http2(http2) => {
                // The server has switched from HTTP/1.1 to HTTP/2.
                self.dialling.http1.set(false);
                Connection::Http2(self.keep_shared(SharedConnection::new(http2, self.clock.clone())).share())
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
        match self.dial.connect(Want::Any).await {
            Err(fault) => Opened::Failed(fault),
            Ok(Sender::Http2(http2)) => {
                Opened::Http2(self.keep_shared(SharedConnection::new(http2, self.clock.clone())))
            }
            Ok(Sender::Http1(http1)) => {
                self.dialling.http1.set(true);
                self.put_back(self.own(http1));
                Opened::Http1
            }
        }
    }

    /// Joins the attempt in progress or starts one. The attempt continues even if the request that started it is dropped.
    fn under_way(self: &Rc<Self>) -> watch::Receiver<Option<Opened>> {
        let mut under_way = self.dialling.under_way.borrow_mut();
        if let Some(under_way) = &*under_way {
            return under_way.clone();
        }
        let (tell, told) = watch::channel(None);
        let pool = self.clone();
        tokio::task::spawn_local(async move {
            // Even after a panic, all waiting requests must get a result and the next one must find no attempt in progress.
            let opened = panics::caught(pool.open_for_all()).await;
            let opened = opened.unwrap_or(Opened::Failed(Fault::Internal));
            pool.dialling.under_way.take();
            tell.send_replace(Some(opened));
        });
        *under_way = Some(told.clone());
        told
    }
}
