//! The store, and what it could not take yet. All keepers of a name read both as one: a keeper that does not know of a
//! sibling's newest grant would send a refresh token that is used up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::token::key::StoreKey;
use crate::token::source::BoxFuture;
use crate::token::store::{LONGEST_LEASE, Leased, Store, StoreError, Stored, Tell};

/// A store with a memory for what it lacks.
pub(in crate::token) struct BufferedStore {
    store: Arc<dyn Store>,
    /// Boxed, because a growing table has room for twice as many.
    unsaved: Mutex<HashMap<StoreKey, Box<Stored>>>,
    /// The number of the grant whose refresh token this process has sent last.
    marks: Mutex<HashMap<StoreKey, u64>>,
}

impl BufferedStore {
    pub(in crate::token) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, unsaved: Mutex::default(), marks: Mutex::default() }
    }

    /// The store did not take this.
    pub(in crate::token) fn remember(&self, key: &StoreKey, stored: Stored) {
        let mut unsaved = self.lock();
        if unsaved.get(key).is_none_or(|known| known.number <= stored.number) {
            unsaved.insert(key.clone(), Box::new(stored));
        }
    }

    /// It has this one now, or nobody will ask for it any more.
    pub(in crate::token) fn forget(&self, key: &StoreKey, number: u64) {
        let mut unsaved = self.lock();
        if unsaved.get(key).is_some_and(|known| known.number <= number) {
            unsaved.remove(key);
        }
    }

    /// What the store lacks.
    pub(in crate::token) fn unsaved(&self, key: &StoreKey) -> Option<Stored> {
        self.lock().get(key).map(|stored| Stored::clone(stored))
    }

    /// Whether the store lacks anything.
    pub(in crate::token) fn lacks(&self, key: &StoreKey) -> bool {
        self.lock().contains_key(key)
    }

    /// A keeper of this process told the store that it sends the refresh token of this grant.
    pub(in crate::token) fn marked(&self, key: &StoreKey, number: u64) {
        self.marks().insert(key.clone(), number);
    }

    /// Whether the mark on this grant is of this process: whatever its reply was, it is known here.
    pub(in crate::token) fn has_marked(&self, key: &StoreKey, stored: &Stored) -> bool {
        self.marks().get(key) == Some(&stored.number)
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<StoreKey, u64>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
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
