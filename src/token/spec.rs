//! Everything that a keeper needs for its token.

use std::sync::Arc;

use super::key::{StoreKey, TokenKey};
use super::plan::Policy;
use super::source::Source;
use crate::record::TokenRecord;

/// Everything that a keeper needs for its token.
#[derive(Clone)]
pub struct TokenSpec {
    /// Its identity in memory.
    pub key: TokenKey,
    /// Its name in a store.
    pub store_key: StoreKey,
    pub source: Arc<dyn Source>,
    pub policy: Arc<Policy>,
    /// The counters of its token requests, and the upstream's name for log lines.
    pub record: Arc<TokenRecord>,
    /// Request a new token even if the store has one: a changed secret must prove itself.
    pub prove: bool,
}
