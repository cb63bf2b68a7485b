//! WebSocket, offers of other protocols, and outbound proxies.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::scene::{Scene, Setting};
use super::upstreams::{over_tls, tls_api};
use super::wire::*;
use crate::proxy::settings::{Base, OutboundProxy};
use crate::secret::Secret;
use crate::shutdown::Phase;

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

async fn switched(scene: &Scene, api: &ManualApi) -> (Caller, Caller) {
    let mut caller = scene.caller().await;
    caller.send(HANDSHAKE).await;
    let mut there = api.accept().await;
    let incoming = there.head().await.unwrap();
    assert_eq!((incoming.header("upgrade"), incoming.header("connection")), (Some("websocket"), Some("Upgrade")));
    assert_eq!(incoming.header("authorization"), Some("Bearer g1"));
    assert_eq!(incoming.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    there.send(format!("{SWITCHED}first")).await;
    let response = caller.head().await.unwrap();
    assert_eq!((response.status(), response.header("upgrade")), (101, Some("websocket")));
    assert_eq!(response.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(caller.exactly(5).await.unwrap(), b"first");
    (caller, there)
}

#[tokio::test]
async fn after_a_handshake_with_a_token_bytes_are_copied_both_ways() {
    let (api, address) = ManualApi::start().await;
    let mut setting = Setting::to(address);
    setting.limits.caller_idle = std::time::Duration::from_millis(1);
    let scene = setting.start();
    let (mut caller, mut there) = switched(&scene, &api).await;
    for _ in 0..3 {
        caller.send("ping").await;
        assert_eq!(there.exactly(4).await.unwrap(), b"ping");
        there.send("pong").await;
        assert_eq!(caller.exactly(4).await.unwrap(), b"pong");
    }
    drop(caller);
    assert!(there.is_closed().await);
    drop(there);
    eventually("the tunnel is over", || scene.proxy_record.connections() == 0).await;
}

#[tokio::test]
async fn draining_waits_for_tunnels_and_the_end_of_the_grace_period_closes_them() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let (mut caller, mut there) = switched(&scene, &api).await;
    scene.trigger.advance(Phase::Draining);
    eventually("the listener is closed", || std::net::TcpStream::connect(scene.address).is_err()).await;
    caller.send("still").await;
    assert_eq!(there.exactly(5).await.unwrap(), b"still");
    assert!(!scene.thread.has_ended());
    scene.trigger.advance(Phase::Cut);
    assert!(caller.is_closed().await && there.is_closed().await);
}

#[tokio::test]
async fn a_handshake_with_an_expired_token_is_repeated_and_a_refusal_passed_on() {
    let api = Api::start(|request| match request.header("authorization") {
        Some("Bearer g1") => response_with(401, ""),
        _ => response_with(403, "no chat"),
    })
    .await;
    let scene = Setting::to(api.address).start();
    let mut caller = scene.caller().await;
    caller.send(HANDSHAKE).await;
    let response = caller.response().await;
    assert_eq!((response.status(), response.text().as_str()), (403, "no chat"));
    assert_eq!(api.seen().iter().filter(|request| request.header("upgrade").is_some()).count(), 2);
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(caller.response().await.status(), 403);
}

#[tokio::test]
async fn an_offer_of_another_protocol_is_ignored_and_the_request_served() {
    let api = Api::start(|_| response_with(200, "served")).await;
    let scene = Setting::to(api.address).start();
    let offer = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nContent-Length: 2\r\n\r\nhi";
    let response = scene.ask(offer).await;
    assert_eq!((response.status(), response.text().as_str()), (200, "served"));
    let seen = api.last();
    assert_eq!((seen.header("upgrade"), seen.header("http2-settings"), seen.header("connection")), (None, None, None));
    assert_eq!(seen.text(), "hi");
}

#[tokio::test]
async fn a_handshake_comes_back_as_the_caller_sees_the_api() {
    let (api, address) = ManualApi::start().await;
    let mut setting = Setting::to(address);
    setting.upstream.base = Some(Base::parse(&format!("http://{address}/v1")).unwrap());
    setting.upstream.matches.path = "/y".into();
    let scene = setting.start();
    let mut caller = scene.caller().await;
    caller.send(HANDSHAKE.replace("/chat", "/y/chat")).await;
    let mut there = api.accept().await;
    assert_eq!(there.head().await.unwrap().target(), "/v1/chat");
    let more = format!(
        "Location: http://{address}/v1/next\r\nSet-Cookie: s=1; Domain=x; Path=/v1; Secure\r\n\
         Proxy-Status: bearerd; error=x\r\nContent-Length: 2\r\n\r\n"
    );
    there.send(SWITCHED.replace("\r\n\r\n", &format!("\r\n{more}"))).await;
    let response = caller.head().await.unwrap();
    assert_eq!(
        (response.status(), response.header("upgrade"), response.header("connection")),
        (101, Some("websocket"), Some("Upgrade"))
    );
    assert_eq!(response.header("location"), Some("http://localhost/y/next"));
    assert_eq!(response.header("set-cookie"), Some("s=1; Path=/y"));
    assert_eq!((response.header("proxy-status"), response.header("content-length")), (None, None));
}

#[tokio::test]
async fn a_switch_to_what_nobody_asked_for_is_a_502() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    for (switch, status) in [
        ("Upgrade: WebSocket\r\n", 101),
        ("Upgrade: h2c\r\n", 502),
        ("", 502),
        ("Upgrade:\r\n", 502),
        ("Upgrade: websocket, h2c\r\n", 502),
        ("Upgrade: websocket\r\nUpgrade: TLS/1.0\r\n", 502),
        ("Upgrade: websocket2\r\n", 502),
    ] {
        let mut caller = scene.caller().await;
        caller.send(HANDSHAKE).await;
        let mut there = api.accept().await;
        there.head().await.unwrap();
        there.send(format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n{switch}\r\n")).await;
        assert_eq!(caller.head().await.unwrap().status(), status, "{switch:?}");
        if status == 502 {
            assert!(there.is_closed().await, "{switch:?}");
        }
    }
}

fn through(mut setting: Setting, proxy: SocketAddr, no: &str) -> Scene {
    let url = Secret::new(format!("http://us%40er:pa%3Ass@{proxy}"));
    let no_proxy: Vec<_> = no.split(' ').map(str::to_owned).collect();
    setting.upstream.outbound_proxy = Some(OutboundProxy::new(url, &no_proxy).unwrap());
    setting.start()
}

const CREDENTIALS: &str = "Basic dXNAZXI6cGE6c3M=";

#[tokio::test]
async fn an_outbound_proxy_gets_plain_requests_in_absolute_form() {
    let proxy = Api::start(|request| response_with(200, request.target())).await;
    let scene = through(Setting::to(([127, 0, 0, 1], 9).into()), proxy.address, "");
    for _ in 0..2 {
        assert_eq!(scene.get("/a?b").await.text(), "http://127.0.0.1:9/a?b");
        let seen = proxy.last();
        assert_eq!((seen.header("host"), seen.header("proxy-authorization")), (Some("127.0.0.1:9"), Some(CREDENTIALS)));
    }
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn excepted_hosts_are_connected_directly() {
    let api = Api::start(|request| response_with(200, request.header("proxy-authorization").unwrap_or("direct"))).await;
    for no in ["127.0.0.1", "10.0.0.0/8 127.0.0.0/8", "*"] {
        let scene = through(Setting::to(api.address), ([127, 0, 0, 1], 9).into(), no);
        assert_eq!(scene.get("/").await.text(), "direct", "{no}");
    }
}

#[tokio::test]
async fn an_outbound_proxy_opens_tunnels_for_https_and_its_refusal_is_an_error() {
    let port = tls_api().await;
    let (proxy, address) = ManualApi::start().await;
    let scene = through(over_tls("localhost", port, true), address, "");
    let asking = async {
        let response = scene.get("/").await;
        assert_eq!((response.status(), response.text().as_str()), (200, "1"));
    };
    let carrying = async {
        let mut there = proxy.accept().await;
        let incoming = there.head().await.unwrap();
        assert_eq!(incoming.line, format!("CONNECT localhost:{port} HTTP/1.1"));
        assert_eq!(incoming.header("proxy-authorization"), Some(CREDENTIALS));
        there.send("HTTP/1.1 200 Connected\r\n\r\n").await;
        let mut api = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut there.stream, &mut api).await;
    };
    tokio::select! { () = asking => {}, () = carrying => {} }

    let refusing = Api::start(|_| "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
    let response = through(over_tls("localhost", port, true), refusing.address, "").get("/").await;
    assert_eq!((response.status(), response.code().as_str()), (502, "upstream-unreachable"));
}

#[tokio::test]
async fn a_handshake_never_uses_a_pooled_connection() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send(HANDSHAKE).await;
    let mut there = api.accept().await;
    let incoming = there.head().await.unwrap();
    assert!(incoming.raw.contains("\r\nSec-WebSocket-Key: "), "{}", incoming.raw);
    there.send(response_with(403, "")).await;
    assert_eq!(caller.response().await.status(), 403);
    // On the connection that the handshake left open.
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    there.head().await.unwrap();
    there.send(response_with(200, "")).await;
    assert_eq!(caller.response().await.status(), 200);
    caller.send(HANDSHAKE).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nahead").await;
    assert_eq!(caller.head().await.unwrap().status(), 101);
    assert_eq!(caller.exactly(5).await.unwrap(), b"ahead");
    caller.send("hello").await;
    assert_eq!(there.exactly(5).await.unwrap(), b"hello");
}
