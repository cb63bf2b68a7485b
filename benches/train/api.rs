//! The API and its token endpoint.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A short lifetime, so that renewals are trained too.
const TOKEN: &str =
    r#"{"access_token":"0123456789abcdef0123456789abcdef","token_type":"Bearer","expires_in":2,"refresh_in":1}"#;

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src/proxy/tests/tls", name].iter().collect()
}

/// The certificate to trust.
pub(crate) fn certificate() -> PathBuf {
    file("certificate.pem")
}

/// The protocol of the API.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http,
    Https,
    /// HTTP/2 over TLS.
    Http2,
}

/// Serves on a free port until the process ends.
pub(crate) async fn serve(what: Speaks) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = acceptor(what);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                match what {
                    Speaks::Http => talk(stream, what).await,
                    Speaks::Https | Speaks::Http2 => talk(acceptor.accept(stream).await.unwrap(), what).await,
                }
            });
        }
    });
    port
}

fn acceptor(what: Speaks) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(certificate()).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols.extend((what == Speaks::Http2).then(|| b"h2".to_vec()));
    TlsAcceptor::from(Arc::new(config))
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, what: Speaks) {
    let (stream, service) = (TokioIo::new(stream), service_fn(answer));
    // A caller that disconnects does not matter here.
    let _ = match what {
        Speaks::Http | Speaks::Https => http1::Builder::new().serve_connection(stream, service).await,
        Speaks::Http2 => http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await,
    };
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    body.collect().await?;
    if head.uri.path() == "/token" {
        // As slow as real endpoints, so that the first callers wait.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let text: &'static [u8] = match head.uri.path() {
        "/token" => TOKEN.as_bytes(),
        "/64k" => &[b'x'; 64 << 10],
        "/1k" => &[b'x'; 1 << 10],
        _ => br#"{"ok":true}"#,
    };
    let mut answer = Response::new(Full::new(Bytes::from_static(text)));
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    answer.headers_mut().insert("server", HeaderValue::from_static("training"));
    Ok(answer)
}
