//! TLS to the outside: one client configuration per `tls` table, shared by API and token calls.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Where distributions keep all roots in one file. Reading one file is faster than a directory of hundreds.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

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

/// A client configuration with these settings. Reads files; the system's roots are read once per process. The protocols
/// offered (ALPN) are the caller's business.
pub fn client_config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = match &settings.ca {
        Some(file) => Arc::new(roots_in(file)?),
        None => system_roots(),
    };
    // The provider is named: if a dependency turned on a second one, the default would be a panic.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("no TLS version is usable: {error}")))?
        .with_root_certificates(roots);
    let config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(certificates_in(chain)?, key_in(key)?)
            .map_err(|error| TlsError(format!("{} does not fit {}: {error}", key.display(), chain.display())))?,
    };
    Ok(Arc::new(config))
}

fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |error| TlsError(format!("cannot read certificates from {}: {error}", file.display()));
    let certificates = CertificateDer::pem_file_iter(file).map_err(fault)?.collect::<Result<Vec<_>, _>>();
    match certificates.map_err(fault)? {
        none if none.is_empty() => Err(TlsError(format!("there is no PEM certificate in {}", file.display()))),
        some => Ok(some),
    }
}

fn key_in(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| TlsError(format!("cannot read a private key from {}: {error}", file.display())))
}

fn roots_in(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(file)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError(format!("a certificate in {} is no root: {error}", file.display())))?;
    }
    Ok(roots)
}

/// The roots of the system, else those that are built in.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let found = || bundle().or_else(native).unwrap_or_else(built_in);
    ROOTS.get_or_init(|| Arc::new(found())).clone()
}

fn some(roots: RootCertStore) -> Option<RootCertStore> {
    (!roots.is_empty()).then_some(roots)
}

/// The distribution's bundle, unless the user names another by the variables that all TLS programs know.
fn bundle() -> Option<RootCertStore> {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| std::env::var_os(name).is_some());
    let file = BUNDLES.into_iter().map(Path::new).find(|file| !named && file.exists())?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates_in(file).ok()?);
    some(roots)
}

fn native() -> Option<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's root certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    some(roots)
}

fn built_in() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_configuration_without_settings_has_roots_and_offers_no_protocol() {
        let config = client_config(&TlsSettings::default()).unwrap();
        assert!(config.alpn_protocols.is_empty());
        assert!(!system_roots().is_empty() && !built_in().is_empty());
        assert!(Arc::ptr_eq(&system_roots(), &system_roots()));
    }

    #[test]
    fn an_error_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let (missing, empty) = (directory.path().join("missing.pem"), directory.path().join("empty.pem"));
        fs::write(&empty, "no certificate").unwrap();
        let ca = |file: &Path| TlsSettings { ca: Some(file.to_owned()), ..TlsSettings::default() };
        let identity = TlsSettings { identity: Some((missing.clone(), empty.clone())), ..TlsSettings::default() };
        for (settings, name) in [(ca(&missing), "missing.pem"), (ca(&empty), "empty.pem"), (identity, "missing.pem")] {
            let error = client_config(&settings).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
