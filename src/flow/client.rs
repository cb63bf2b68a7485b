//! The HTTP client of token calls.

use std::sync::Arc;

use crate::clock::SharedClock;

/// How token calls leave: TLS as the upstream has it, an outbound proxy, never the ambient one.
#[derive(Clone)]
pub struct TokenClient {}

impl TokenClient {
    /// A client with the upstream's TLS settings and outbound proxy.
    pub fn new(
        _tls: Arc<rustls::ClientConfig>,
        _proxy: Option<&OutboundProxy>,
        _clock: SharedClock,
    ) -> Result<Self, ClientError> {
        Ok(Self {})
    }
}

/// An outbound HTTP proxy for API and token calls.
#[derive(Clone, Debug)]
pub struct OutboundProxy {
    /// `http://host:port`, perhaps with credentials.
    pub url: crate::secret::Secret,
    /// Hosts that are called directly.
    pub no_proxy: Vec<String>,
}

/// A client could not be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClientError(pub String);
