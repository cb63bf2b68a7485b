//! Deliberate panics: each ends only the work that it happens in.

use std::sync::atomic::Ordering::SeqCst;

use http::Request;

use super::scene::{PANICS, Scene, Setting};
use super::streams::{self, ask};
use super::wire::*;
use crate::panics::{self, fault};
use crate::record::{Blame, Limit};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Starts an API whose response to `/fault` makes the verdict panic.
async fn api() -> Api {
    panics::watch();
    Api::start(|request| response_with(if request.target() == "/fault" { PANICS } else { 200 }, "fine")).await
}

fn authority(scene: &Scene) -> String {
    format!("localhost:{}", scene.address.port())
}

async fn nothing_is_left(scene: &Scene) {
    eventually("nothing is in flight", || scene.record.in_flight() == 0).await;
    eventually("no place is taken", || scene.proxy_record.limit(Limit::Requests).used() == 0).await;
}

fn blamed(scene: &Scene) -> Vec<(u16, u64)> {
    let ours = scene.record.counts().into_iter().filter(|count| count.blame == Blame::Bearerd);
    ours.map(|count| (count.status, count.count)).collect()
}

#[tokio::test]
async fn a_panic_in_a_request_is_a_500_and_other_requests_are_served() {
    let api = api().await;
    let scene = Setting::to(api.address).start();
    let before = panics::count();
    let mut neighbour = scene.caller().await;
    neighbour.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n1").await;
    for _ in 0..3 {
        let mut caller = scene.caller().await;
        caller.send("POST /fault HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody").await;
        let response = caller.response().await;
        assert_eq!(
            (response.status(), response.code().as_str(), response.header("connection")),
            (500, "internal", Some("close"))
        );
        assert_eq!(response.header("proxy-status"), Some("bearerd; error=proxy_internal_error; details=\"internal\""));
        assert!(caller.is_closed().await);
    }
    neighbour.send("2").await;
    assert_eq!(neighbour.response().await.text(), "fine");
    assert_eq!(scene.get("/").await.status(), 200);
    assert!(panics::count() >= before + 3);
    assert_eq!(blamed(&scene), [(500, 3)]);
    nothing_is_left(&scene).await;
}

#[tokio::test]
async fn a_panic_in_a_stream_ends_only_that_stream() {
    let api = api().await;
    let scene = Setting::to(api.address).start();
    let caller = streams::caller(scene.address).await;
    let request = |path: &str| Request::get(format!("http://localhost{path}")).body(()).unwrap();
    let (first, fault, second) =
        tokio::join!(ask(&caller, request("/")), ask(&caller, request("/fault")), ask(&caller, request("/")));
    let fault = fault.unwrap();
    assert_eq!(fault.head.status, 500);
    assert!(!fault.head.headers.contains_key("connection") && !fault.head.headers.contains_key("grpc-status"));
    let call = Request::get("http://localhost/fault").header("content-type", "application/grpc").body(()).unwrap();
    let call = ask(&caller, call).await.unwrap().head;
    assert_eq!((call.status.as_u16(), call.headers["grpc-status"].as_bytes()), (500, &b"13"[..]), "INTERNAL");
    assert_eq!((first.unwrap().body, second.unwrap().body), ("fine".into(), "fine".into()));
    assert_eq!(ask(&caller, request("/")).await.unwrap().body, "fine");
    nothing_is_left(&scene).await;
}

#[tokio::test]
async fn a_panic_in_a_connection_ends_only_it_and_frees_its_place() {
    let api = api().await;
    for point in ["connection", "accept"] {
        let scene = Setting::to(api.address).start();
        let mut neighbour = scene.caller().await;
        neighbour.send(GET).await;
        assert_eq!(neighbour.response().await.status(), 200);
        fault::arm(point, &authority(&scene));
        let before = panics::count();
        assert!(scene.caller().await.is_closed().await);
        assert!(panics::count() > before);
        eventually("its place is free", || scene.proxy_record.connections() == 1).await;
        neighbour.send(GET).await;
        assert_eq!(neighbour.response().await.status(), 200, "{point}");
        assert_eq!(scene.get("/").await.status(), 200, "{point}");
    }
}

#[tokio::test]
async fn a_panic_in_a_sweep_does_not_end_the_sweeps() {
    let api = api().await;
    let mut setting = Setting::to(api.address);
    setting.limits.header_timeout = std::time::Duration::from_millis(100);
    let base = setting.upstream.base.as_ref().unwrap().to_string();
    let scene = setting.start();
    assert_eq!(scene.get("/").await.status(), 200);
    let before = panics::count();
    fault::arm("sweep", &base);
    eventually("it panics", || panics::count() > before).await;
    // A sweep times out a caller with an unfinished head.
    let mut late = scene.caller().await;
    late.send("GET / HTTP/1.1\r\nHost: loc").await;
    assert!(late.is_closed().await);
}

#[tokio::test]
async fn a_panic_while_opening_a_shared_connection_fails_only_the_waiting_requests() {
    panics::watch();
    let (address, _) =
        streams::api(|mut incoming: streams::IncomingRequest| async move { incoming.respond_with(200, "fine") }).await;
    let mut setting = Setting::to(address);
    setting.upstream.protocol = crate::proxy::settings::Protocol::Http2;
    let base = setting.upstream.base.as_ref().unwrap().to_string();
    let scene = setting.start();
    fault::arm("connect", &base);
    let response = scene.get("/").await;
    assert_eq!((response.status(), response.code().as_str()), (500, "internal"));
    assert_eq!(scene.get("/").await.text(), "fine");
}

#[tokio::test]
async fn a_panic_in_the_task_of_a_shared_connection_ends_its_requests_and_no_other() {
    panics::watch();
    let (address, connections) = streams::api(|mut incoming: streams::IncomingRequest| async move {
        if incoming.request.uri().path() == "/waits" && incoming.connection == 1 {
            let _ = std::future::poll_fn(|cx| incoming.respond.poll_reset(cx)).await;
            return;
        }
        incoming.respond_with(200, "fine");
    })
    .await;
    let mut setting = Setting::to(address);
    setting.upstream.protocol = crate::proxy::settings::Protocol::Http2;
    let scene = setting.start();
    let elsewhere = Setting::to(api().await.address).start();
    assert_eq!(scene.get("/").await.text(), "fine");
    let mut waiting = scene.caller().await;
    waiting.send("GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let streams = streams::caller(scene.address).await;
    let waits = Request::get("http://localhost/waits").body(()).unwrap();
    let waiting_stream = tokio::spawn(async move { ask(&streams, waits).await.unwrap().head.status });
    eventually("both wait", || scene.record.in_flight() == 2).await;
    let before = panics::count();
    // A request that waited on that connection may move to another one, or fail.
    fault::arm("transport", &address.to_string());
    assert!(matches!(scene.get("/").await.status(), 200 | 500 | 502));
    assert!(matches!(waiting.response().await.status(), 200 | 500 | 502));
    assert!(matches!(waiting_stream.await.unwrap().as_u16(), 200 | 500 | 502));
    assert!(panics::count() > before);
    assert_eq!(scene.get("/").await.text(), "fine");
    let connected = connections.load(SeqCst);
    assert!(connected > 1, "the next requests have another connection");
    for _ in 0..3 {
        assert_eq!((scene.get("/").await.text(), elsewhere.get("/").await.text()), ("fine".into(), "fine".into()));
    }
    assert_eq!(connections.load(SeqCst), connected, "which they share");
    nothing_is_left(&scene).await;
}
