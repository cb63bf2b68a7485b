//! The outside world: the APIs that bearerd is made for, true to what their vendors document.
//!
//! Each API listens on an address of its own on loopback. It gives tokens, takes them in calls, writes down all that
//! arrives, and misbehaves on demand. Life is measured on the clock it is started with.
//!
//! A call that is let pass is answered by an echo of what arrived, except at `/accounts` and the like, which show
//! samples, and at `/bytes?n=`, `/cut?n=`, `/drip?n=`, `/drip?hold`, `/trailers`, `/status/NNN`, `/headers?name=value`, `/redirect`, `/cookie`,
//! `/gzip-error`, `/slow-head`, `/mirror`, `/early` and `/upgrade`.

mod answer;
mod api;
mod call;
mod dialect;
mod event;
mod received;
mod server;
mod switches;
#[cfg(test)]
mod tests;
mod tokens;
mod upgrade;
mod vendor;
mod vendors;
mod wire;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

pub use api::{
    Api, Credentials, DNB, LEGAL_ENTITY, LEGAL_ENTITY_ID, OAUTH, OAUTH_USER, SIMACAN, YODLEE, YODLEE_ADMIN, YOUNIUM,
    YOUNIUM_V1,
};
pub use event::{Event, What};
pub use received::{End, Kind, Received};
pub use switches::{Behaviour, Canned, Said};
pub use vendor::Vendor;

use crate::clock::SharedClock;
use received::Log;

/// So many events wait for a slow listener.
const EVENTS: usize = 1024;
/// A thousand callers may come at once.
const BACKLOG: u32 = 4096;

/// The outside world; it ends when dropped.
pub struct Mock {
    vendors: Vec<Arc<Vendor>>,
    log: Arc<Log>,
    events: broadcast::Sender<Event>,
    _servers: JoinSet<std::convert::Infallible>,
}

impl Mock {
    /// Starts every API on a port of its own, on the runtime at hand.
    ///
    /// # Errors
    /// If loopback gives no port.
    pub async fn start(clock: SharedClock) -> io::Result<Self> {
        let (log, events) = (Log::new(), broadcast::Sender::new(EVENTS));
        let (mut vendors, mut servers, connections) = (Vec::new(), JoinSet::new(), Arc::new(AtomicU64::new(0)));
        for api in Api::ALL {
            let listener = listen()?;
            let address = listener.local_addr()?;
            let vendor = Arc::new(Vendor::new(api, address, clock.clone(), log.clone(), events.clone()));
            servers.spawn(server::serve(listener, vendor.clone(), connections.clone()));
            vendors.push(vendor);
        }
        Ok(Self { vendors, log, events, _servers: servers })
    }

    /// One API.
    pub fn vendor(&self, api: Api) -> &Vendor {
        &self.vendors[api as usize]
    }

    /// [`Api::Younium`].
    pub fn younium(&self) -> &Vendor {
        self.vendor(Api::Younium)
    }

    /// [`Api::YouniumV1`].
    pub fn younium_v1(&self) -> &Vendor {
        self.vendor(Api::YouniumV1)
    }

    /// [`Api::Yodlee`].
    pub fn yodlee(&self) -> &Vendor {
        self.vendor(Api::Yodlee)
    }

    /// [`Api::Dnb`].
    pub fn dnb(&self) -> &Vendor {
        self.vendor(Api::Dnb)
    }

    /// [`Api::Simacan`].
    pub fn simacan(&self) -> &Vendor {
        self.vendor(Api::Simacan)
    }

    /// [`Api::Oauth`].
    pub fn oauth(&self) -> &Vendor {
        self.vendor(Api::Oauth)
    }

    /// [`Api::Open`].
    pub fn open(&self) -> &Vendor {
        self.vendor(Api::Open)
    }

    /// All that arrived, in order; of very many the last 20,000.
    pub fn received(&self) -> Vec<Received> {
        self.log.all()
    }

    /// What arrived at one API for one purpose, in order.
    pub fn received_by(&self, api: Api, kind: Kind) -> Vec<Received> {
        self.log.all().into_iter().filter(|received| received.api == api && received.kind == kind).collect()
    }

    /// How many requests of a kind arrived at an API, without a bound.
    pub fn count(&self, api: Api, kind: Kind) -> u64 {
        self.log.count(api, kind)
    }

    /// Waits until the log satisfies `enough`; false if it does not `within` that time.
    pub async fn wait_for(&self, enough: impl FnMut(&[Received]) -> bool, within: Duration) -> bool {
        self.log.wait_for(enough, within).await
    }

    /// Empties the log and sets the counters to zero.
    pub fn forget(&self) {
        self.log.forget();
    }

    /// All that must be found nowhere but in requests: credentials, and every token given.
    pub fn secrets(&self) -> Vec<String> {
        self.vendors.iter().flat_map(|vendor| vendor.secrets()).collect()
    }

    /// What happens from now on, in words.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}
