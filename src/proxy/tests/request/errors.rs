//! Each failure as the caller sees it.

use std::sync::Arc;
use std::time::Duration;

use super::scene::Setting;
use super::wire::*;
use crate::proxy::backend::route::Routes;
use crate::proxy::settings::Base;
use crate::token::source::{MintError, Outcome};

fn failure(outcome: Outcome) -> Option<MintError> {
    Some(MintError::new(outcome, "it failed"))
}

async fn closed_port() -> std::net::SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn assert_failed(response: &WireMessage, status: u16, code: &str, kind: &str) {
    assert_eq!((response.status(), response.code().as_str()), (status, code));
    let expected = format!("bearerd; error={kind}; details=\"{code}\"");
    assert_eq!(response.header("proxy-status"), Some(expected.as_str()));
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached() {
    let scene = Setting::to(closed_port().await).start();
    assert_failed(&scene.get("/").await, 502, "upstream-unreachable", "connection_refused");

    let mut setting = Setting::to(closed_port().await);
    setting.upstream.base = Some(Base::parse("http://no-such-host.invalid").unwrap());
    assert_failed(&setting.start().get("/").await, 502, "upstream-dns", "dns_error");

    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.upstream.base = Some(Base::parse(&format!("https://localhost:{}", api.address.port())).unwrap());
    setting.upstream.timeouts.connect = Duration::from_secs(1);
    let response = setting.start().get("/").await;
    assert!(matches!(response.code().as_str(), "upstream-tls" | "upstream-timeout"), "{response:?}");
}

#[tokio::test]
async fn an_upstream_without_tls() {
    let (api, address) = ManualApi::start().await;
    let mut setting = Setting::to(address);
    setting.upstream.base = Some(Base::parse(&format!("https://{address}")).unwrap());
    let scene = setting.start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut there = api.accept().await;
    there.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_failed(&caller.response().await, 502, "upstream-tls", "tls_protocol_error");
}

#[tokio::test]
async fn an_upstream_that_never_completes_the_handshake_or_responds() {
    let (_api, address) = ManualApi::start().await;
    let mut setting = Setting::to(address);
    setting.upstream.base = Some(Base::parse(&format!("https://{address}")).unwrap());
    setting.upstream.timeouts.connect = Duration::from_millis(100);
    assert_failed(&setting.start().get("/").await, 504, "upstream-timeout", "connection_timeout");

    let mut setting = Setting::to(address);
    setting.upstream.timeouts.response = Duration::from_millis(100);
    assert_failed(&setting.start().get("/").await, 504, "upstream-timeout", "http_response_timeout");
}

#[tokio::test]
async fn an_upstream_that_closes_without_a_response() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    drop(there);
    assert_failed(&caller.response().await, 502, "upstream-reset", "connection_terminated");
}

#[tokio::test]
async fn a_caller_that_stops_sending_its_body() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.limits.body_idle = Duration::from_millis(100);
    let response = setting.start().ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc").await;
    assert_failed(&response, 408, "request-timeout", "http_request_error");
}

#[tokio::test]
async fn no_token() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.mint = |_| failure(Outcome::Rejected);
    let response = setting.start().get("/").await;
    assert_failed(&response, 503, "token-rejected", "destination_unavailable");
    assert!(response.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);

    let mut setting = Setting::to(api.address);
    setting.mint = |_| failure(Outcome::Status);
    setting.upstream.timeouts.token_wait = Duration::from_millis(100);
    let response = setting.start().get("/").await;
    assert_failed(&response, 503, "token-failing", "destination_unavailable");
    assert_eq!(api.seen().len(), 0);
}

#[tokio::test]
async fn a_page_of_another_site() {
    let api = Api::start(|_| response_with(200, "")).await;
    let scene = Setting::to(api.address).start();
    for header in ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"] {
        let response = scene.ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n")).await;
        assert_failed(&response, 403, "guard", "http_request_denied");
    }
    assert_failed(
        &scene.ask("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").await,
        403,
        "guard",
        "http_request_denied",
    );
    assert_eq!(api.seen().len(), 0);
}

#[tokio::test]
async fn an_allowed_page_may_read_the_response() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.upstream.access.origins = vec!["https://app.example".into()];
    let scene = setting.start();
    let origin = "Origin: https://app.example";
    let response = scene.ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{origin}\r\n\r\n")).await;
    assert_eq!((response.status(), response.header("access-control-allow-origin")), (200, Some("https://app.example")));
    let preflight = "Access-Control-Request-Method: PUT";
    let response = scene.ask(format!("OPTIONS / HTTP/1.1\r\nHost: localhost\r\n{origin}\r\n{preflight}\r\n\r\n")).await;
    assert_eq!((response.status(), response.header("access-control-allow-methods")), (204, Some("PUT")));
    assert_eq!(api.seen().len(), 1);
}

#[tokio::test]
async fn malformed_heads_get_a_bare_response() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.limits.header_bytes = 4096;
    let scene = setting.start();
    let long = "x".repeat(5000);
    assert_eq!(scene.ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n")).await.status(), 431);
    assert_eq!(scene.ask("GET / HTTP/1.1\r\nHost localhost\r\n\r\n").await.status(), 400);
    assert_eq!(api.seen().len(), 0);
}

#[tokio::test]
async fn routes_may_change_between_requests() {
    let api = Api::start(|_| response_with(200, "")).await;
    let scene = Setting::to(api.address).start();
    assert_eq!(scene.get("/").await.status(), 200);
    scene.routes.store(Arc::new(Routes::default()));
    assert_failed(&scene.get("/").await, 404, "no-route", "destination_not_found");
}
