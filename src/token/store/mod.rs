//! Where grants outlive their keeper.

pub mod memory;

use super::grant::Grant;
use super::key::StoreKey;
use super::source::BoxFuture;

/// Why a store could not do its work; the text is for people and holds no secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// What is kept of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The newest grant.
    pub grant: Grant,
    /// Its refresh token was sent and no reply to that was saved.
    pub refresh_sent: bool,
}

/// Where grants outlive their keeper.
pub trait Store: Send + Sync + 'static {
    /// What is kept under this name.
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>>;

    /// Keeps this from now on; durable when it returns.
    fn save<'a>(&'a self, key: &'a StoreKey, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The token's last reader is gone. A store that lasts keeps the grant for the next start; memory forgets it.
    fn retire(&self, key: &StoreKey);

    /// Whether what is saved survives the process.
    fn lasts(&self) -> bool;
}
