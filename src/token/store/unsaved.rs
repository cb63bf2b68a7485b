//! The store, together with the grants that it could not save. All keepers of a name read both as one: a keeper that
//! missed a sibling's newest grant would send a used refresh token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::token::key::StoreKey;
use crate::token::source::BoxFuture;
use crate::token::store::{LONGEST_LEASE, Leased, Store, StoreError, Stored, Tell};

/// A store with a buffer for unsaved grants.
pub(in crate::token) struct BufferedStore {
    store: Arc<dyn Store>,
    /// Boxed, because a growing table reserves space for twice as many.
    unsaved: Mutex<HashMap<StoreKey, Box<Stored>>>,
    /// The number of the grant whose refresh token this process sent last.
    marks: Mutex<HashMap<StoreKey, u64>>,
}

impl BufferedStore {
    pub(in crate::token) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, unsaved: Mutex::default(), marks: Mutex::default() }
    }

    /// Buffers a grant that the store could not save.
    pub(in crate::token) fn remember(&self, key: &StoreKey, stored: Stored) {
        let mut unsaved = self.lock();
        if unsaved.get(key).is_none_or(|known| known.number <= stored.number) {
            unsaved.insert(key.clone(), Box::new(stored));
        }
    }

    /// Drops a buffered grant: it is saved now, or no longer needed.
    pub(in crate::token) fn forget(&self, key: &StoreKey, number: u64) {
        let mut unsaved = self.lock();
        if unsaved.get(key).is_some_and(|known| known.number <= number) {
            unsaved.remove(key);
        }
    }

    /// The buffered grant of this name.
    pub(in crate::token) fn unsaved(&self, key: &StoreKey) -> Option<Stored> {
        self.lock().get(key).map(|stored| Stored::clone(stored))
    }

    /// Whether a grant of this name is buffered.
    pub(in crate::token) fn lacks(&self, key: &StoreKey) -> bool {
        self.lock().contains_key(key)
    }

    /// Records that a keeper of this process marked this grant's refresh token as sent.
    pub(in crate::token) fn marked(&self, key: &StoreKey, number: u64) {
        self.marks().insert(key.clone(), number);
    }

    /// Whether this process set the mark on this grant. If so, it knows what the reply was.
    pub(in crate::token) fn has_marked(&self, key: &StoreKey, stored: &Stored) -> bool {
        self.marks().get(key) == Some(&stored.number)
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<StoreKey, u64>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreKey, Box<Stored>>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newer of the stored and the buffered grant. With equal numbers it is the stored one: it is from another
    /// process, or it was saved after all.
    fn newest(&self, key: &StoreKey, kept: Option<Stored>) -> Option<Stored> {
        if let Some(kept) = &kept {
            self.forget(key, kept.number);
        }
        self.unsaved(key).or(kept)
    }
}

impl Store for BufferedStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(async move { self.store.load(key).await.map(|kept| self.newest(key, kept)) })
    }

    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>> {
        self.lease_within(key, LONGEST_LEASE)
    }

    fn lease_within<'a>(&'a self, key: &'a StoreKey, patience: Duration) -> BoxFuture<'a, Result<Leased, StoreError>> {
        Box::pin(async move {
            let Leased { kept, lease } = self.store.lease_within(key, patience).await?;
            Ok(Leased { kept: self.newest(key, kept), lease })
        })
    }

    fn retire(&self, key: &StoreKey) {
        self.marks().remove(key);
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
