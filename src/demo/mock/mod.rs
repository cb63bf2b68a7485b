//! Mocked APIs that behave as their vendors document.
//!
//! Each API listens on its own loopback address. It issues tokens, accepts them in calls, records every request, and
//! misbehaves on demand. Lifetimes are measured with the clock that it is started with.
//!
//! An accepted call gets an echo of the request, except at `/accounts` and similar paths, which return samples, and at
//! `/bytes?n=`, `/cut?n=`, `/drip?n=`, `/drip?hold`, `/trailers`, `/status/NNN`, `/headers?name=value`, `/redirect`,
//! `/cookie`, `/gzip-error`, `/slow-head`, `/mirror`, `/early` and `/upgrade`.

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

/// How many events are queued for a slow receiver.
const EVENTS: usize = 1024;
/// Enough for a thousand callers at once.
const BACKLOG: u32 = 4096;

/// All mocked APIs. Dropping it stops them.
pub struct Mock {
    vendors: Vec<Arc<Vendor>>,
    log: Arc<Log>,
    events: broadcast::Sender<Event>,
    _servers: JoinSet<std::convert::Infallible>,
}

impl Mock {
    /// Starts every API on its own port, on the current runtime.
    ///
    /// # Errors
    ///
    /// If no loopback port is available.
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

    /// All recorded requests, in order; at most the last 20,000.
    pub fn received(&self) -> Vec<Received> {
        self.log.all()
    }

    /// The recorded requests of one kind at one API, in order.
    pub fn received_by(&self, api: Api, kind: Kind) -> Vec<Received> {
        self.log.all().into_iter().filter(|received| received.api == api && received.kind == kind).collect()
    }

    /// The number of requests of one kind at one API, without a limit.
    pub fn count(&self, api: Api, kind: Kind) -> u64 {
        self.log.count(api, kind)
    }

    /// Waits until the recorded requests satisfy `enough`. Returns false after the time `within`.
    pub async fn wait_for(&self, enough: impl FnMut(&[Received]) -> bool, within: Duration) -> bool {
        self.log.wait_for(enough, within).await
    }

    /// Clears the recorded requests and the counters.
    pub fn forget(&self) {
        self.log.forget();
    }

    /// Everything that may appear only in requests: credentials, and every token that was issued.
    pub fn secrets(&self) -> Vec<String> {
        self.vendors.iter().flat_map(|vendor| vendor.secrets()).collect()
    }

    /// A receiver of events from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(BACKLOG)
}
