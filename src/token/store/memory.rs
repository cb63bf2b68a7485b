//! Grants that live as long as the process.

use super::{Store, StoreError, Stored};
use crate::token::key::StoreKey;
use crate::token::source::BoxFuture;

/// Grants that live as long as the process.
#[derive(Default)]
pub struct MemoryStore {}

impl Store for MemoryStore {
    fn load<'a>(&'a self, _key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn save<'a>(&'a self, _key: &'a StoreKey, _stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn retire(&self, _key: &StoreKey) {}

    fn lasts(&self) -> bool {
        false
    }
}
