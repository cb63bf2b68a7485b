//! An API, and its token endpoint, with mutual TLS.

use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::support::Authority;

/// Responds with the name of the caller's certificate.
pub(crate) struct Mutual {
    pub(crate) url: String,
    logins: Arc<Mutex<Vec<String>>>,
}

impl Mutual {
    pub(crate) async fn start(authority: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (acceptor, logins) = (acceptor(authority), Arc::default());
        let noted = Arc::clone(&logins);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = serve(stream, &noted).await;
                    }
                });
            }
        });
        Self { url, logins }
    }

    /// The certificates with which tokens were requested.
    pub(crate) fn logins(&self) -> Vec<String> {
        self.logins.lock().unwrap().clone()
    }
}

fn acceptor(authority: &Authority) -> TlsAcceptor {
    authority.issue("server");
    let certificates = |file: &str| CertificateDer::pem_file_iter(authority.path(file)).unwrap().map(Result::unwrap);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates("ca.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_file(authority.path("server.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_client_cert_verifier(verifier.build().unwrap());
    TlsAcceptor::from(Arc::new(builder.with_single_cert(certificates("server.pem").collect(), key).unwrap()))
}

async fn serve(mut stream: TlsStream<TcpStream>, logins: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let is = |name: &&str| shown.windows(name.len()).any(|part| part == name.as_bytes());
    let name = ["first", "second"].into_iter().find(is).unwrap();
    let mut request = Vec::new();
    loop {
        if is_whole(&request) {
            let login = request.starts_with(b"POST /token ");
            if login {
                logins.lock().unwrap().push(name.to_owned());
            }
            let body = if login { r#"{"access_token":"canary","expires_in":3600}"# } else { name };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + body).as_bytes()).await?;
            request.clear();
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
}

/// Whether head and body are complete.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    body.len() >= length.parse().unwrap()
}
