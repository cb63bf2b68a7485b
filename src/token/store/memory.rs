//! Grants that live as long as the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Store, StoreError, Stored};
use crate::token::key::StoreKey;
use crate::token::source::BoxFuture;

/// Grants that live as long as the process: a keeper with a changed secret finds the refresh token of the one before.
#[derive(Default)]
pub struct MemoryStore {
    grants: Mutex<HashMap<StoreKey, Stored>>,
}

impl MemoryStore {
    fn grants(&self) -> MutexGuard<'_, HashMap<StoreKey, Stored>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(async move { Ok(self.grants().get(key).cloned()) })
    }

    fn save<'a>(&'a self, key: &'a StoreKey, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.grants().insert(key.clone(), stored.clone());
            Ok(())
        })
    }

    fn retire(&self, key: &StoreKey) {
        self.grants().remove(key);
    }

    fn lasts(&self) -> bool {
        false
    }
}
