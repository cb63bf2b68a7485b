//! Opens the configured store.

use std::sync::Arc;

use crate::clock::SharedClock;
use crate::config::{Settings, StoreSettings};
use crate::tls::{self, TlsError, TlsSettings};
use crate::token::store::file::FileStore;
use crate::token::store::format::RecordFormat;
use crate::token::store::memory::MemoryStore;
use crate::token::store::redis::RedisStore;
use crate::token::store::{Store, StoreError, StoreFault};

/// Opens the configured store on the current runtime.
pub fn open(settings: &Settings, clock: &SharedClock) -> Result<Arc<dyn Store>, StoreError> {
    let refreshes = settings.upstreams.iter().any(|upstream| upstream.flow.uses_refresh_tokens);
    match &settings.store {
        StoreSettings::Memory => Ok(Arc::new(MemoryStore::default())),
        StoreSettings::File { path, key } => {
            let format = RecordFormat::new(Arc::clone(clock), key.as_ref())?;
            Ok(Arc::new(FileStore::open(path.clone(), format, refreshes)?))
        }
        StoreSettings::Redis { url, prefix, key } => {
            let wrong = |error: TlsError| StoreError::new(StoreFault::Misconfigured, error.to_string());
            let tls = tls::client_config(&TlsSettings::default()).map_err(wrong)?;
            let format = RecordFormat::new(Arc::clone(clock), key.as_ref())?;
            Ok(Arc::new(RedisStore::start(Arc::clone(clock), url, tls, prefix.clone(), format)?))
        }
    }
}
