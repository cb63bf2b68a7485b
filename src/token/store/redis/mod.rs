//! Grants that a fleet shares: one process renews a token for all.
//!
//! A name has two keys: the grant (number and content) and the lease. The holder renews the lease while it works. A
//! holder that dies or is suspended soon loses it and can no longer save. Saved grants are announced on a channel.

mod address;
mod connection;
mod lease;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;

use self::address::RedisAddress;
use self::connection::{ConnectionEvent, RedisConnection};
use self::lease::{Keys, RedisLease};
use super::format::RecordFormat;
use super::{Change, LONGEST_LEASE, Leased, Store, StoreError, StoreFault, Stored, Tell};
use crate::clock::SharedClock;
use crate::secret::Secret;
use crate::token::key::StoreKey;
use crate::token::source::BoxFuture;

/// The interval for polling a lease, in ms, with jitter.
const LOOK: std::ops::Range<u64> = 40..120;

pub struct RedisStore {
    connection: Arc<RedisConnection>,
    prefix: String,
    format: Arc<RecordFormat>,
    names: Arc<NamesInUse>,
    clock: SharedClock,
}

/// The names in use in this process, and the callback for their changes.
#[derive(Default)]
struct NamesInUse {
    by_stem: Mutex<HashMap<String, StoreKey>>,
    tell: OnceLock<Tell>,
}

impl NamesInUse {
    fn by_stem(&self) -> MutexGuard<'_, HashMap<String, StoreKey>> {
        self.by_stem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, event: ConnectionEvent) {
        let change = match event {
            ConnectionEvent::Connected => Some(Change::Any),
            ConnectionEvent::Message(stem) => self.by_stem().get(&stem).cloned().map(Change::Of),
        };
        if let (Some(tell), Some(change)) = (self.tell.get(), change) {
            tell(change);
        }
    }
}

impl RedisStore {
    /// Connects in the background on the current runtime, so that an unreachable Redis does not prevent the start.
    pub fn start(
        clock: SharedClock,
        url: &Secret,
        tls: Arc<ClientConfig>,
        prefix: String,
        format: RecordFormat,
    ) -> Result<Self, StoreError> {
        let address = RedisAddress::read(url, tls)?;
        let names = Arc::<NamesInUse>::default();
        let handling = Arc::clone(&names);
        let channel = format!("{prefix}saved");
        let connection =
            Arc::new(RedisConnection::start(address, channel, Arc::new(move |event| handling.handle(event))));
        Ok(Self { connection, prefix, format: Arc::new(format), names, clock })
    }

    fn keys(&self, key: &StoreKey) -> Keys {
        let stem = key.stem();
        self.names.by_stem().entry(stem.clone()).or_insert_with(|| key.clone());
        Keys::new(&self.prefix, stem)
    }

    fn read(&self, key: &StoreKey, content: Option<Vec<u8>>) -> Result<Option<Stored>, StoreError> {
        let read = content.map(|content| self.format.read(key, &content)).transpose();
        read.map_err(|error| error.about(format_args!("the stored token `{}` of Redis", self.keys(key).kept)))
    }

    async fn take(&self, key: &StoreKey) -> Result<Leased, StoreError> {
        let until = self.clock.now() + LONGEST_LEASE;
        loop {
            let (keys, format, clock) = (self.keys(key), Arc::clone(&self.format), Arc::clone(&self.clock));
            if let Some((lease, content)) =
                RedisLease::try_take(&self.connection, keys, key.clone(), format, clock).await?
            {
                return Ok(Leased { kept: self.read(key, content)?, lease: Box::new(lease) });
            }
            if self.clock.now() >= until {
                let held = "Redis: another process has held the lease of this token for too long";
                return Err(StoreError::new(StoreFault::Held, held));
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(LOOK))).await;
        }
    }
}

impl Store for RedisStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(async move {
            let mut command = redis::cmd("HGET");
            let content = self.connection.call(command.arg(self.keys(key).kept).arg("content")).await?;
            self.read(key, content)
        })
    }

    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>> {
        Box::pin(self.take(key))
    }

    fn retire(&self, key: &StoreKey) {
        self.names.by_stem().remove(&key.stem());
    }

    fn lasts(&self) -> bool {
        true
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn on_change(&self, tell: Tell) {
        let _ = self.names.tell.set(tell);
    }
}
