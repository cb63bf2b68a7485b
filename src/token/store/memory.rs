//! Grants in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::{Lease, Leased, Store, StoreError, Stored};
use crate::token::key::StoreKey;
use crate::token::source::BoxFuture;

/// Grants in memory. A keeper with a changed secret finds its predecessor's refresh token here.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Boxed, because a growing table reserves space for twice as many.
    kept: HashMap<StoreKey, Box<Stored>>,
    /// Locks of the names that are leased or waited for; few at a time.
    locks: HashMap<StoreKey, Arc<tokio::sync::Mutex<()>>>,
}

struct MemoryLease {
    store: MemoryStore,
    key: StoreKey,
    ours: Option<OwnedMutexGuard<()>>,
}

impl MemoryStore {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, key: &StoreKey) -> Option<Stored> {
        self.inner().kept.get(key).map(|stored| Stored::clone(stored))
    }
}

impl Store for MemoryStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(async move { Ok(self.kept(key)) })
    }

    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>> {
        Box::pin(async move {
            let lock = Arc::clone(self.inner().locks.entry(key.clone()).or_default());
            let lease = MemoryLease { store: self.clone(), key: key.clone(), ours: Some(lock.lock_owned().await) };
            Ok(Leased { kept: self.kept(key), lease: Box::new(lease) })
        })
    }

    fn retire(&self, key: &StoreKey) {
        self.inner().kept.remove(key);
    }

    fn lasts(&self) -> bool {
        false
    }
}

impl Lease for MemoryLease {
    fn save<'a>(&'a mut self, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.inner().kept.insert(self.key.clone(), Box::new(stored.clone()));
        Box::pin(async { Ok(()) })
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        let mut inner = self.store.inner();
        self.ours = None;
        // Whoever waits for the lock holds it too.
        if inner.locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            inner.locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_without_waiters_takes_no_memory() {
        let (store, key) = (MemoryStore::default(), StoreKey::new(["a"]));
        let first = store.lease(&key).await.unwrap();
        let mut second = store.lease(&key);
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx))).await.is_pending());
        drop(first);
        assert_eq!(store.inner().locks.len(), 1, "the second waits for it");
        drop(second.await.unwrap());
        assert_eq!(store.inner().locks.len(), 0);
    }

    #[test]
    fn it_ends_with_the_process() {
        assert!(!MemoryStore::default().lasts());
    }
}
