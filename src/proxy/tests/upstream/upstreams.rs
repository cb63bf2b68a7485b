//! Upstreams over TLS, and with a token per subject.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::scene::Setting;
use super::streams::{self, IncomingRequest, talk};
use super::wire::*;
use crate::proxy::settings::{Base, Protocol};
use crate::tls::PemFile;
use crate::token::key::{SubjectPattern, SubjectRule};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src/proxy/tests/tls", name].iter().collect()
}

/// Starts an upstream whose responses contain the number of the connection. Returns its port.
pub(super) async fn tls_api() -> u16 {
    tls_api_offering(&[]).await
}

fn acceptor(protocols: &[&[u8]]) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(file("certificate.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// Does the same with these protocols in ALPN, and speaks HTTP/2 if that is negotiated.
async fn tls_api_offering(protocols: &[&[u8]]) -> u16 {
    let acceptor = acceptor(protocols);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for connection in 1_usize.. {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    let handler = move |mut incoming: IncomingRequest| async move {
                        if incoming.request.uri().path() == "/reset" {
                            // What has been read has been sent.
                            streams::read(incoming.request.body_mut()).await.unwrap();
                            return incoming.respond.send_reset(h2::Reason::HTTP_1_1_REQUIRED);
                        }
                        incoming.respond_with(200, format!("h2 {connection}"));
                    };
                    return talk(h2::server::Builder::new(), stream, connection, handler).await;
                }
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                    stream.write_all(response_with(200, &connection.to_string()).as_bytes()).await.unwrap();
                }
            });
        }
    });
    port
}

pub(super) fn over_tls(host: &str, port: u16, trusted: bool) -> Setting {
    let mut setting = Setting::to(([127, 0, 0, 1], port).into());
    setting.upstream.base = Some(Base::parse(&format!("https://{host}:{port}")).unwrap());
    let path = file("certificate.pem");
    let content = Arc::new(std::fs::read(&path).unwrap().into());
    setting.tls.ca = trusted.then_some(PemFile { path, content });
    setting
}

#[tokio::test]
async fn an_api_over_tls_is_verified_and_its_connection_reused() {
    let port = tls_api().await;
    let scene = over_tls("localhost", port, true).start();
    for _ in 0..3 {
        let response = scene.get("/").await;
        assert_eq!((response.status(), response.text().as_str()), (200, "1"));
    }
    let mut setting = over_tls("127.0.0.1", port, true);
    setting.upstream.server_name = Some("api.test".into());
    assert_eq!(setting.start().get("/").await.status(), 200);
}

#[tokio::test]
async fn the_protocol_over_tls_is_what_the_server_selects() {
    for (offered, protocol, spoken) in [
        (&[&b"h2"[..], b"http/1.1"][..], Protocol::Auto, "h2 1"),
        (&[b"http/1.1"], Protocol::Auto, "1"),
        (&[], Protocol::Auto, "1"),
        (&[b"h2", b"http/1.1"], Protocol::Http1, "1"),
        (&[b"h2"], Protocol::Http2, "h2 1"),
    ] {
        let mut setting = over_tls("localhost", tls_api_offering(offered).await, true);
        setting.upstream.protocol = protocol;
        let scene = setting.start();
        for _ in 0..2 {
            assert_eq!(scene.get("/").await.text(), spoken, "{offered:?} {protocol:?}");
        }
    }
    let mut setting = over_tls("localhost", tls_api_offering(&[b"http/1.1"]).await, true);
    setting.upstream.protocol = Protocol::Http2;
    assert_eq!(setting.start().get("/").await.code(), "upstream-tls");
}

#[tokio::test]
async fn a_server_that_requires_http_1_gets_it_for_some_time() {
    let post = |path| format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nok");
    for protocol in [Protocol::Auto, Protocol::Http2] {
        for path in ["/reset", "/required"] {
            let mut setting = over_tls("localhost", tls_api_offering(&[b"h2", b"http/1.1"]).await, true);
            setting.upstream.protocol = protocol;
            let scene = setting.start();
            assert_eq!(scene.get("/").await.text(), "h2 1");
            assert_eq!(scene.ask(post(path)).await.text(), "2", "{protocol:?} {path}");
            for _ in 0..2 {
                assert_eq!(scene.get("/").await.text(), "2", "{protocol:?} {path}");
            }
        }
    }
    // A request that cannot be sent again fails, but the next one succeeds.
    let mut setting = over_tls("localhost", tls_api_offering(&[b"h2", b"http/1.1"]).await, true);
    (setting.upstream.protocol, setting.upstream.retry.body) = (Protocol::Auto, 1);
    let scene = setting.start();
    let response = scene.ask(post("/reset")).await;
    assert_eq!((response.status(), response.code().as_str()), (502, "upstream-reset"));
    assert_eq!(scene.ask(post("/reset")).await.text(), "2");
}

#[tokio::test]
async fn http_2_is_tried_again_if_the_required_http_1_fails() {
    let mut setting = over_tls("localhost", tls_api_offering(&[b"h2"]).await, true);
    setting.upstream.protocol = Protocol::Http2;
    let scene = setting.start();
    for _ in 0..2 {
        assert!(scene.get("/").await.text().starts_with("h2"));
        assert_eq!(scene.ask("POST /reset HTTP/1.1\r\nHost: localhost\r\n\r\n").await.status(), 502);
    }
}

#[tokio::test]
async fn a_closed_connection_sends_close_notify() {
    let (api, address) = ManualApi::start().await;
    let mut setting = over_tls("localhost", address.port(), true);
    setting.upstream.timeouts.idle = Duration::from_millis(50);
    let scene = setting.start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut there = acceptor(&[]).accept(api.accept().await.stream).await.unwrap();
    let mut request = [0; 4096];
    assert!(there.read(&mut request).await.unwrap() > 0);
    there.write_all(response_with(200, "").as_bytes()).await.unwrap();
    assert_eq!(caller.response().await.status(), 200);
    // An end without close_notify is an error.
    assert_eq!(tokio::time::timeout(LONG, there.read(&mut request)).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn an_end_without_close_notify_is_not_the_end_of_a_body() {
    for (head, has_close_notify, whole) in [
        ("HTTP/1.1 200 OK\r\n\r\nok", true, true),
        ("HTTP/1.1 200 OK\r\n\r\nok", false, false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", true, false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", true, false),
    ] {
        let (api, address) = ManualApi::start().await;
        let scene = over_tls("localhost", address.port(), true).start();
        let mut caller = scene.caller().await;
        caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut there = acceptor(&[]).accept(api.accept().await.stream).await.unwrap();
        assert!(there.read(&mut [0; 4096]).await.unwrap() > 0);
        there.write_all(head.as_bytes()).await.unwrap();
        if has_close_notify {
            there.shutdown().await.unwrap();
        }
        drop(there);
        let response = caller.message(false).await;
        assert_eq!(response.is_some_and(|response| response.text() == "ok"), whole, "{head:?} {has_close_notify}");
    }
}

#[tokio::test]
async fn an_untrusted_certificate_or_one_for_another_name_is_refused() {
    let port = tls_api().await;
    for setting in [over_tls("localhost", port, false), over_tls("127.0.0.1", port, true)] {
        let response = setting.start().get("/").await;
        assert_eq!((response.status(), response.code().as_str()), (502, "upstream-tls"));
        assert!(response.header("proxy-status").unwrap().contains("tls_certificate_error"));
    }
}

#[tokio::test]
async fn a_base_url_from_a_reply_never_leads_to_a_private_address() {
    let api = Api::start(|_| response_with(200, "")).await;
    for (chosen, status, calls) in [(false, 200, 1), (true, 502, 1)] {
        let mut setting = Setting::to(api.address);
        let base = Base::parse(&format!("http://localhost:{}", api.address.port())).unwrap();
        setting.upstream.base = Some(Base { chosen, ..base });
        let response = setting.start().get("/").await;
        assert_eq!((response.status(), api.seen().len()), (status, calls), "{chosen}");
        assert!(!chosen || response.code() == "upstream-dns");
    }
}

#[tokio::test]
async fn each_subject_gets_its_own_token_and_no_other() {
    let api = Api::start(|request| response_with(200, request.header("x-token-of").unwrap_or("nobody"))).await;
    let mut setting = Setting::to(api.address);
    setting.subjects = Some(SubjectRule {
        header: HeaderName::from_static("x-user"),
        pattern: SubjectPattern::new("[a-z]{3,}").unwrap(),
        default: None,
        idle: Duration::from_secs(60),
        max: 2,
    });
    let scene = setting.start();
    let ask = |lines: &str| format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    for name in ["anna", "bert", "anna", "carl", "bert"] {
        assert_eq!(scene.ask(ask(&format!("X-User: {name}\r\n"))).await.text(), name);
        assert!(!api.last().headers.contains_key("x-user"));
    }
    for wrong in ["", "X-User: a\r\n", "X-User: anna;drop\r\n", "X-User: anna\r\nX-User: bert\r\n", "X-User:\r\n"] {
        let response = scene.ask(ask(wrong)).await;
        assert_eq!((response.status(), response.code().as_str()), (400, "subject"), "{wrong}");
    }
    assert_eq!(api.seen().len(), 5);
}
