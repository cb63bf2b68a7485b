//! Where grants outlive their keeper.

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

/// The longest that an attempt holds a lease: a refresh, the login that follows a dead refresh token, what is saved
/// around them. Who holds one for longer is dead, and nobody waits for one longer than this.
pub const LONGEST_LEASE: Duration = Duration::from_secs(30);

/// Why a store could not do its work; the message is for people and holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of fault it is: what is to be done depends on it.
    pub fault: StoreFault,
    /// For people.
    pub message: String,
}

/// The kinds of faults of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreFault {
    /// The server cannot be reached. The store says so itself, once for all tokens.
    Away,
    /// An operation failed, and the next one may succeed.
    Failed,
    /// Another process holds the lease.
    Held,
    /// What is kept cannot be read any more. Nobody replaces it: it may hold the only refresh token of an account.
    Damaged,
    /// A person must change the configuration, or what is around the store: keys, owners, versions.
    Misconfigured,
}

impl StoreError {
    /// An error of this kind.
    pub fn new(fault: StoreFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into() }
    }

    /// The same, saying what it is about.
    fn about(self, what: impl std::fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }
}

/// What is kept of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Counts the grants of this name, whoever got them: clocks of several machines cannot tell which is the newer.
    pub number: u64,
    /// The newest grant.
    pub grant: Grant,
    /// Its refresh token was sent and no reply to that was saved.
    pub refresh_sent: bool,
    /// A rejection asked for it: until an answer accepts it, the bounds on forced renewals count it for everybody.
    pub forced: bool,
}

/// What others changed in a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// What is kept under this name.
    Of(StoreKey),
    /// Who knows: for a while nothing was heard.
    Any,
}

/// How a store tells of changes.
pub type Tell = Box<dyn Fn(Change) + Send + Sync>;

/// Where grants outlive their keeper.
pub trait Store: Send + Sync + 'static {
    /// What is kept under this name, whoever holds the lease.
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>>;

    /// The sole right to ask for this token and to change what is kept, among all who share the store. Waits for it,
    /// [`LONGEST_LEASE`] at most.
    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>>;

    /// The same, but waits no longer than `patience` where a holder that stands still keeps its lease for as long.
    fn lease_within<'a>(&'a self, key: &'a StoreKey, _patience: Duration) -> BoxFuture<'a, Result<Leased, StoreError>> {
        self.lease(key)
    }

    /// The token's last reader is gone. A store that lasts keeps the grant for the next start; memory forgets it.
    fn retire(&self, key: &StoreKey);

    /// Whether what is saved survives the process.
    fn lasts(&self) -> bool;

    /// Whether other processes use the same tokens at the same time. While such a store is away, a token that has a
    /// refresh token is used to its end: a login before would be one for each process, and again at each renewal.
    fn is_shared(&self) -> bool {
        false
    }

    /// From now on tells what others change. A store that does not hear of it is only looked at before each attempt.
    fn on_change(&self, _tell: Tell) {}
}

/// A lease, and what was kept when it began: nobody can take the one and forget to read the other.
pub struct Leased {
    /// What is kept.
    pub kept: Option<Stored>,
    /// Until it is dropped.
    pub lease: Box<dyn Lease>,
}

/// The sole right to change what is kept under one name; dropping it gives it back.
pub trait Lease: Send {
    /// Keeps this from now on; durable when it returns. Fails, and changes nothing, if the lease was lost.
    fn save<'a>(&'a mut self, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Whether it has run out by the clock of this machine: a process that stood still finds out before it acts on what
    /// the store said before.
    fn is_over(&self) -> bool {
        false
    }
}
