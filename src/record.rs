//! What happened: counters, histograms and the last requests; written by proxy and token core, read by admin.

use std::sync::Arc;

/// Token requests of one upstream.
pub struct TokenRecord {
    /// The upstream's name.
    pub upstream: Arc<str>,
}

impl TokenRecord {
    /// Nothing happened yet.
    pub fn new(upstream: impl Into<Arc<str>>) -> Self {
        Self { upstream: upstream.into() }
    }

    /// A token request ended; `kind` is `login`, `refresh` or `revoke`, `outcome` the metric's word.
    pub fn token_request(&self, _kind: &'static str, _outcome: &'static str, _took: std::time::Duration) {}

    /// A request had to wait for a token.
    pub fn token_wait(&self) {}
}
