//! TLS to APIs and token endpoints: one client configuration per `tls` table, for both.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use zeroize::Zeroizing;

/// Where distributions keep all root certificates in one file. Reading one file is faster than a directory of hundreds.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The `tls` table of an upstream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsSettings {
    /// A PEM file of root certificates that replaces the system's.
    pub ca: Option<PemFile>,
    /// PEM files of the client certificate chain and its private key.
    pub identity: Option<(PemFile, PemFile)>,
    /// The name to send (SNI) and to verify instead of the URL's host.
    pub server_name: Option<String>,
}

/// A PEM file that has been read.
#[derive(Clone, PartialEq, Eq)]
pub struct PemFile {
    pub path: PathBuf,
    /// It may be a private key.
    pub content: Arc<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for PemFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.fmt(f)
    }
}

/// Names the file and what is wrong with it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(pub String);

/// Builds a client configuration. The system's root certificates are read by the first connection, or by
/// [`read_system_roots`]. The caller sets the ALPN protocols.
pub fn client_config(settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
    // The provider is explicit: with a second one enabled by a dependency, the default would panic.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("no TLS version is usable: {error}")))?;
    let builder = match &settings.ca {
        Some(file) => builder.with_root_certificates(roots_in(file)?),
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(SystemVerifier(provider))),
    };
    let config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            builder.with_client_auth_cert(certificates_in(chain)?, key_in(key)?).map_err(|error| {
                TlsError(format!(
                    "the key {} does not match the certificate {}: {error}",
                    key.path.display(),
                    chain.path.display()
                ))
            })?
        }
    };
    Ok(Arc::new(config))
}

fn certificates_in(file: &PemFile) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |error| TlsError(format!("cannot read certificates from {}: {error}", file.path.display()));
    let certificates = CertificateDer::pem_slice_iter(&file.content).collect::<Result<Vec<_>, _>>();
    match certificates.map_err(fault)? {
        none if none.is_empty() => Err(TlsError(format!("no PEM certificate in {}", file.path.display()))),
        some => Ok(some),
    }
}

fn key_in(file: &PemFile) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&file.content)
        .map_err(|error| TlsError(format!("cannot read a private key from {}: {error}", file.path.display())))
}

fn roots_in(file: &PemFile) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(file)? {
        roots.add(certificate).map_err(|error| {
            TlsError(format!("a certificate in {} cannot be used as a root: {error}", file.path.display()))
        })?;
    }
    Ok(roots)
}

/// Reads the system's root certificates now, so that the first connection does not have to.
pub fn read_system_roots() {
    system_roots();
}

/// rustls' verifier with the system's root certificates, read on first use: reading them takes most of the start-up
/// time, and plain HTTP never needs them.
#[derive(Debug)]
struct SystemVerifier(Arc<CryptoProvider>);

impl SystemVerifier {
    fn verifier(&self) -> Result<&'static WebPkiServerVerifier, rustls::Error> {
        static VERIFIER: OnceLock<Result<Arc<WebPkiServerVerifier>, String>> = OnceLock::new();
        let make = || WebPkiServerVerifier::builder_with_provider(system_roots(), self.0.clone()).build();
        let made = VERIFIER.get_or_init(|| make().map_err(|error| error.to_string()));
        made.as_deref().map_err(|why| rustls::Error::General(why.clone()))
    }
}

impl ServerCertVerifier for SystemVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The system's root certificates, else the built-in ones.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let found = || bundle().or_else(native).unwrap_or_else(built_in);
    ROOTS.get_or_init(|| Arc::new(found())).clone()
}

fn some(roots: RootCertStore) -> Option<RootCertStore> {
    (!roots.is_empty()).then_some(roots)
}

/// The distribution's bundle; `None` if SSL_CERT_FILE or SSL_CERT_DIR names other root certificates.
fn bundle() -> Option<RootCertStore> {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| std::env::var_os(name).is_some());
    let file = BUNDLES.into_iter().map(Path::new).find(|file| !named && file.exists())?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(file).ok()?.flatten());
    some(roots)
}

fn native() -> Option<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "cannot read some of the system's root certificates");
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
    use super::*;

    #[test]
    fn a_configuration_without_settings_verifies_by_the_systems_roots_and_offers_no_protocol() {
        let config = client_config(&TlsSettings::default()).unwrap();
        assert!(config.alpn_protocols.is_empty());
        assert!(!system_roots().is_empty() && !built_in().is_empty());
        assert!(Arc::ptr_eq(&system_roots(), &system_roots()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = SystemVerifier(provider);
        assert!(verifier.verifier().is_ok());
        let (name, nothing) = (ServerName::try_from("localhost").unwrap(), CertificateDer::from(Vec::new()));
        assert!(verifier.verify_server_cert(&nothing, &[], &name, &[], UnixTime::now()).is_err());
    }

    #[test]
    fn an_error_names_the_file() {
        let file = |name: &str, content: &str| PemFile {
            path: PathBuf::from(name),
            content: Arc::new(content.as_bytes().to_vec().into()),
        };
        let none = || file("none.pem", "no certificate");
        let ca = TlsSettings { ca: Some(none()), ..TlsSettings::default() };
        let identity = TlsSettings { identity: Some((none(), file("key.pem", "canary"))), ..TlsSettings::default() };
        for settings in [ca, identity] {
            let error = client_config(&settings).unwrap_err().to_string();
            assert!(error.contains("none.pem"), "{error}");
            assert!(!format!("{settings:?}").contains("canary"), "{settings:?}");
        }
    }
}
