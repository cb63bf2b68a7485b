//! The store, and what it could not take yet. All keepers of a name read both as one: a keeper that does not know of a
//! sibling's newest grant would send a refresh token that is used up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::key::StoreKey;
use super::source::BoxFuture;
use super::store::{Leased, Store, StoreError, Stored, Tell};

/// A store with a memory for what it lacks.
pub(super) struct Ledger {
    store: Arc<dyn Store>,
    /// Boxed, because a growing table has room for twice as many.
    unsaved: Mutex<HashMap<StoreKey, Box<Stored>>>,
}

impl Ledger {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, unsaved: Mutex::default() }
    }

    /// The store did not take this.
    pub(super) fn remember(&self, key: &StoreKey, stored: Stored) {
        let mut unsaved = self.lock();
        if unsaved.get(key).is_none_or(|known| known.number <= stored.number) {
            unsaved.insert(key.clone(), Box::new(stored));
        }
    }

    /// It has this one now, or nobody will ask for it any more.
    pub(super) fn forget(&self, key: &StoreKey, number: u64) {
        let mut unsaved = self.lock();
        if unsaved.get(key).is_some_and(|known| known.number <= number) {
            unsaved.remove(key);
        }
    }

    /// What the store lacks.
    pub(super) fn unsaved(&self, key: &StoreKey) -> Option<Stored> {
        self.lock().get(key).map(|stored| Stored::clone(stored))
    }

    /// Whether the store lacks anything.
    pub(super) fn lacks(&self, key: &StoreKey) -> bool {
        self.lock().contains_key(key)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreKey, Box<Stored>>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is newer. Of two with one number others know that of the store, or it is the same and was saved after all.
    fn newest(&self, key: &StoreKey, kept: Option<Stored>) -> Option<Stored> {
        if let Some(kept) = &kept {
            self.forget(key, kept.number);
        }
        self.unsaved(key).or(kept)
    }
}

impl Store for Ledger {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(async move { self.store.load(key).await.map(|kept| self.newest(key, kept)) })
    }

    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>> {
        Box::pin(async move {
            let Leased { kept, lease } = self.store.lease(key).await?;
            Ok(Leased { kept: self.newest(key, kept), lease })
        })
    }

    fn retire(&self, key: &StoreKey) {
        self.store.retire(key);
    }

    fn lasts(&self) -> bool {
        self.store.lasts()
    }

    fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    fn on_change(&self, tell: Tell) {
        self.store.on_change(tell);
    }
}
