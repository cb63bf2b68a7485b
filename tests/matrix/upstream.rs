//! An upstream that responds as requested and records what arrived. It is also a token endpoint; each token is new.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::http1::Wire;
use crate::http2;
use crate::message::{Draft, Framing, Message};
use crate::shapes::Says;

/// The path of the API's base URL.
pub const BASE: &str = "/base";

/// An upstream's protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Speaks {
    Http1,
    Http2,
    Https1,
    Https2,
}

impl Speaks {
    pub const ALL: [Self; 4] = [Self::Http1, Self::Http2, Self::Https1, Self::Https2];

    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Https2)
    }

    pub fn is_secure(self) -> bool {
        matches!(self, Self::Https1 | Self::Https2)
    }
}

/// A running upstream.
#[derive(Clone)]
pub struct Upstream {
    pub port: u16,
    here: String,
    seen: Arc<Mutex<HashMap<String, Vec<Message>>>>,
    tokens: Arc<AtomicUsize>,
}

/// The fields for one connection only.
const OF_ONE_CONNECTION: &[(&str, &str)] = &[
    ("Connection", "X-Hop"),
    ("X-Hop", "1"),
    ("Keep-Alive", "timeout=50"),
    ("Proxy-Connection", "keep-alive"),
    ("Proxy-Authenticate", "Basic realm=\"x\""),
];

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src/proxy/tests/tls", name].iter().collect()
}

/// The certificate to trust.
pub fn certificate() -> PathBuf {
    file("certificate.pem")
}

impl Upstream {
    pub async fn start(speaks: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let here = format!("http{}://127.0.0.1:{port}", if speaks.is_secure() { "s" } else { "" });
        let upstream = Self { port, here, seen: Arc::default(), tokens: Arc::default() };
        let (serving, acceptor) = (upstream.clone(), acceptor(speaks));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serving, acceptor) = (serving.clone(), acceptor.clone());
                let _ = stream.set_nodelay(true);
                tokio::spawn(async move {
                    if !speaks.is_secure() {
                        return serving.talk(stream, speaks).await;
                    }
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serving.talk(stream, speaks).await;
                    }
                });
            }
        });
        upstream
    }

    /// What arrived for this row, in order.
    pub fn seen(&self, row: &str) -> Vec<Message> {
        self.seen.lock().unwrap().get(row).cloned().unwrap_or_default()
    }

    async fn talk(self, stream: impl AsyncRead + AsyncWrite + Unpin, speaks: Speaks) {
        if speaks.is_http2() { self.talk_http2(stream).await } else { self.talk_http1(Wire::new(stream)).await }
    }

    fn note(&self, asked: Message) {
        let row = asked.field("x-row").unwrap_or_default().to_owned();
        self.seen.lock().unwrap().entry(row).or_default().push(asked);
    }

    fn answer(&self, asked: &Message) -> (Says, Draft) {
        let (says, mut draft) = self.wanted(asked);
        draft.message.fields.iter_mut().for_each(|(_, value)| *value = value.replace("HERE", &self.here));
        (says, draft)
    }

    fn wanted(&self, asked: &Message) -> (Says, Draft) {
        if asked.more == "/token" {
            let number = self.tokens.fetch_add(1, Ordering::SeqCst);
            let mut token = Says::Empty.draft(0);
            token.message.body = format!(r#"{{"access_token":"token-{number}","expires_in":3600}}"#).into_bytes();
            return (Says::Empty, token);
        }
        let says = Says::named(asked.field("x-says").expect("a wanted answer"));
        (says, says.draft(self.seen(asked.field("x-row").unwrap()).len()))
    }

    async fn talk_http1(&self, mut wire: Wire<impl AsyncRead + AsyncWrite + Unpin>) {
        while let Some(mut asked) = wire.head(true).await {
            let (says, mut draft) = self.answer(&asked);
            draft.message = draft.message.with(OF_ONE_CONNECTION);
            let to_head = asked.start == "HEAD";
            let old = asked.version == "HTTP/1.0";
            if old && matches!(draft.framing, Framing::Chunked(_)) {
                // HTTP/1.0 has neither chunks nor trailers.
                (draft.framing, draft.message.trailers) = (Framing::Close, Vec::new());
                draft.message.take("trailer");
            }
            if says == Says::Hints && !old {
                wire.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n").await;
            }
            if to_head {
                draft.message.fields.push(("Content-Length".into(), draft.message.body.len().to_string()));
                (draft.framing, draft.message.trailers) = (Framing::None, Vec::new());
                draft.message.body.clear();
            }
            if says == Says::Early {
                wire.send(&draft, false).await;
            }
            if asked.field("expect").is_some() {
                wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await;
            }
            wire.body(&mut asked, false, true).await;
            self.note(asked);
            if says != Says::Early {
                wire.send(&draft, false).await;
            }
            wire.flush().await;
            if says.ends() || old {
                return wire.close().await;
            }
        }
    }

    async fn talk_http2(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut builder = h2::server::Builder::new();
        let Ok(mut streams) = builder.data_frame_budget(http2::FRAMES).handshake(stream).await else { return };
        while let Some(Ok((request, mut respond))) = streams.accept().await {
            let this = self.clone();
            if request.headers().get("x-says").is_some_and(|says| says == "ClosesAfter") {
                streams.graceful_shutdown();
            }
            tokio::spawn(async move {
                let (head, mut body) = request.into_parts();
                let mut asked = http2::asked(&head);
                let (says, draft) = this.answer(&asked);
                if says == Says::Hints {
                    ahead(&mut respond, 103);
                }
                if says != Says::Early {
                    if asked.field("expect").is_some() {
                        ahead(&mut respond, 100);
                    }
                    http2::read(&mut body, &mut asked).await;
                    this.note(asked.clone());
                }
                reply(&mut respond, &draft, asked.start == "HEAD").await;
                if says == Says::Early {
                    http2::read(&mut body, &mut asked).await;
                    this.note(asked);
                }
            });
        }
    }
}

fn ahead(respond: &mut h2::server::SendResponse<Bytes>, status: u16) {
    let head = http::Response::builder().status(status).header("link", "</x>").body(()).unwrap();
    respond.send_informational(head).unwrap();
}

async fn reply(respond: &mut h2::server::SendResponse<Bytes>, draft: &Draft, to_head: bool) {
    let head = http2::answer_head(&draft.message, draft.framing == Framing::Length || to_head);
    let bodyless = to_head || (draft.message.body.is_empty() && draft.message.trailers.is_empty());
    let Ok(mut stream) = respond.send_response(head, bodyless) else { return };
    if !bodyless {
        http2::send(&mut stream, draft).await;
    }
}

fn acceptor(speaks: Speaks) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(certificate()).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols.push(if speaks.is_http2() { b"h2".to_vec() } else { b"http/1.1".to_vec() });
    TlsAcceptor::from(Arc::new(config))
}
