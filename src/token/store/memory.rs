//! Grants that live as long as the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::{Lease, Leased, Store, StoreError, Stored};
use crate::token::key::StoreKey;
use crate::token::source::BoxFuture;

/// Grants that live as long as the process: a keeper with a changed secret finds the refresh token of the one before.
#[derive(Default)]
pub struct MemoryStore {
    slots: Mutex<HashMap<StoreKey, Slot>>,
}

/// One name.
#[derive(Clone, Default)]
struct Slot {
    turn: Arc<tokio::sync::Mutex<()>>,
    stored: Arc<Mutex<Option<Stored>>>,
}

struct MemoryLease {
    slot: Slot,
    _ours: OwnedMutexGuard<()>,
}

impl Slot {
    fn stored(&self) -> MutexGuard<'_, Option<Stored>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryStore {
    fn slots(&self) -> MutexGuard<'_, HashMap<StoreKey, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(async move { Ok(self.slots().get(key).and_then(|slot| slot.stored().clone())) })
    }

    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>> {
        Box::pin(async move {
            let slot = self.slots().entry(key.clone()).or_default().clone();
            let ours = Arc::clone(&slot.turn).lock_owned().await;
            let kept = slot.stored().clone();
            Ok(Leased { kept, lease: Box::new(MemoryLease { slot, _ours: ours }) })
        })
    }

    fn retire(&self, key: &StoreKey) {
        self.slots().remove(key);
    }

    fn lasts(&self) -> bool {
        false
    }
}

impl Lease for MemoryLease {
    fn save<'a>(&'a mut self, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>> {
        *self.slot.stored() = Some(stored.clone());
        Box::pin(async { Ok(()) })
    }
}
