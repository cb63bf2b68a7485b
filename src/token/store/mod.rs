//! Stores: where grants are kept across restarts and shared between processes.

pub mod file;
pub mod format;
pub mod memory;
pub mod redis;
mod seal;
pub(super) mod unsaved;

use std::time::Duration;

use super::grant::Grant;
use super::key::StoreKey;
use super::source::BoxFuture;

/// The longest time that an attempt holds a lease: a refresh, the login after a dead refresh token, and the saves
/// around them. A holder that takes longer is considered dead, and nobody waits longer.
pub const LONGEST_LEASE: Duration = Duration::from_secs(30);

/// A failed store operation. The message is for people and contains no secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// The kind of fault, which determines what to do.
    pub fault: StoreFault,
    pub message: String,
}

/// The kinds of store faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreFault {
    /// The server is unreachable. The store logs this itself, once for all tokens.
    Away,
    /// An operation failed, and the next one may succeed.
    Failed,
    /// Another process holds the lease.
    Held,
    /// The stored grant is unreadable. It is never replaced: it may hold the only refresh token of an account.
    Damaged,
    /// An operator must change the configuration or the store's surroundings: keys, owners, versions.
    Misconfigured,
}

impl StoreError {
    pub fn new(fault: StoreFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into() }
    }

    /// Adds what the error is about.
    fn about(self, what: impl std::fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }
}

/// A stored grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Counts the grants of this name, whichever process got them. Clocks of different machines cannot tell which one
    /// is newer.
    pub number: u64,
    /// The newest grant.
    pub grant: Grant,
    /// Its refresh token was sent, and no reply has been saved.
    pub refresh_sent: bool,
    /// The API's rejection caused this grant. Until the API accepts it, every process counts it towards the bounds on
    /// forced renewals.
    pub forced: bool,
}

/// A change that another process made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The grant of this name.
    Of(StoreKey),
    /// Anything: notifications may have been missed.
    Any,
}

/// The callback for changes by other processes.
pub type Tell = Box<dyn Fn(Change) + Send + Sync>;

/// Stores: where grants are kept across restarts and shared between processes.
pub trait Store: Send + Sync + 'static {
    /// Reads the grant of this name, without the lease.
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>>;

    /// Waits, up to [`LONGEST_LEASE`], for the exclusive right to request this token and to change its stored grant.
    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>>;

    /// Like [`Store::lease`], but waits at most `patience` if a stopped holder could keep its lease for so long.
    fn lease_within<'a>(&'a self, key: &'a StoreKey, _patience: Duration) -> BoxFuture<'a, Result<Leased, StoreError>> {
        self.lease(key)
    }

    /// The token has no reader any longer. A persistent store keeps the grant for the next start; the memory store
    /// drops it.
    fn retire(&self, key: &StoreKey);

    /// Whether grants survive the process.
    fn lasts(&self) -> bool;

    /// Whether other processes use the same tokens at the same time. While such a store is unreachable, a token with a
    /// refresh token is used until it expires: an earlier login would be one per process, and again at each renewal.
    fn is_shared(&self) -> bool {
        false
    }

    /// Registers a callback for changes by other processes. A store without notifications is read before each attempt
    /// only.
    fn on_change(&self, _tell: Tell) {}
}

/// A lease and the grant that was stored when it began, so that nobody can take the lease and forget to read the grant.
pub struct Leased {
    pub kept: Option<Stored>,
    /// Held until it is dropped.
    pub lease: Box<dyn Lease>,
}

/// The exclusive right to change the grant of one name. Dropping it releases it.
pub trait Lease: Send {
    /// Stores the grant. It is durable when this returns. Fails and changes nothing if the lease was lost.
    fn save<'a>(&'a mut self, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Whether the lease has expired by this machine's clock. A process that was suspended checks this before it acts
    /// on an older answer of the store.
    fn is_over(&self) -> bool {
        false
    }
}
