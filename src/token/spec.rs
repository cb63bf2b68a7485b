//! What it takes to own a token.

use super::key::{StoreKey, TokenKey};
use super::plan::Policy;
use super::source::Source;
use crate::record::TokenRecord;
use std::sync::Arc;

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
    pub policy: Arc<Policy>,
    /// Where its token requests are counted, and the upstream's name for log lines.
    pub record: Arc<TokenRecord>,
    /// Ask for a new token even if the store holds one: a secret has changed and must prove itself.
    pub prove: bool,
}
