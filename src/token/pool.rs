//! All tokens of the process: each key has one owner, opened on demand, ended when its last reader goes.

use std::sync::Arc;

use super::handle::TokenHandle;
use super::key::{StoreKey, TokenKey};
use super::plan::Policy;
use super::source::Source;
use super::store::Store;
use crate::clock::SharedClock;
use crate::record::TokenRecord;

/// What it takes to own a token.
#[derive(Clone)]
pub struct TokenSpec {
    /// Who it is in memory.
    pub key: TokenKey,
    /// What it is called in a store.
    pub store_key: StoreKey,
    /// How to get it.
    pub source: Arc<dyn Source>,
    /// At which pace.
    pub policy: Policy,
    /// Where its token requests are counted, and the upstream's name for log lines.
    pub record: Arc<TokenRecord>,
    /// Ask for a new token even if the store holds one: a secret has changed and must prove itself.
    pub prove: bool,
}

/// All tokens of the process. Cheap to clone; owned tokens live on the runtime that [`TokenPool::start`] was called on.
#[derive(Clone)]
pub struct TokenPool {}

impl TokenPool {
    /// Starts the pool's task on the current runtime.
    pub fn start(_clock: SharedClock, _store: Arc<dyn Store>, _random: fastrand::Rng) -> Self {
        Self {}
    }

    /// A reader of the token `spec.key`; if it has no owner yet, one starts at once. May be called from any thread.
    pub fn open(&self, _spec: TokenSpec) -> TokenHandle {
        TokenHandle {}
    }

    /// Ends all token requests, saves what is under way, revokes where asked; at most two seconds.
    pub async fn shutdown(&self) {}
}
