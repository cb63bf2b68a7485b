//! TLS to the outside: one client configuration per `tls` table, shared by API and token calls.

use std::path::PathBuf;
use std::sync::Arc;

/// The `tls` table of an upstream.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct TlsSettings {
    /// A PEM file of roots, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Client certificate chain (PEM) and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name to ask for and to verify, instead of the URL's host.
    pub server_name: Option<String>,
}

/// Why no client configuration could be made: which file, what is wrong with it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(pub String);

/// A client configuration with these settings. Reads files; the system's roots are read once per process.
pub fn client_config(_settings: &TlsSettings) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    Err(TlsError("not built yet".into()))
}
