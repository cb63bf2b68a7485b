//! Limits that all callers share.

use std::collections::BTreeMap;

use http::Request;

use super::scene::{Scene, Setting};
use super::streams::{self, ask};
use super::wire::*;
use crate::record::{Blame, Limit};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn refusals(scene: &Scene, limit: Limit) -> u64 {
    scene.proxy_record.limit(limit).refusals()
}

/// The number of finished requests with this blame, by status.
fn blamed(scene: &Scene, blame: Blame) -> BTreeMap<u16, u64> {
    let counts = scene.record.counts().into_iter().filter(|count| count.blame == blame);
    counts.map(|count| (count.status, count.count)).collect()
}

#[tokio::test]
async fn requests_in_flight_are_limited_over_all_connections_and_protocols() {
    let (api, address) = ManualApi::start().await;
    let mut setting = Setting::to(address);
    setting.bounds.requests = 2;
    let scene = setting.start();
    let mut slow = scene.caller().await;
    slow.send(GET).await;
    let mut first = api.accept().await;
    first.head().await.unwrap();
    let streams = streams::caller(scene.address).await;
    let second = tokio::spawn({
        let streams = streams.clone();
        async move { ask(&streams, Request::get("http://localhost/").body(()).unwrap()).await.unwrap() }
    });
    let mut there = api.accept().await;
    there.head().await.unwrap();

    let response = scene.get("/").await;
    assert_eq!((response.status(), response.code().as_str()), (503, "busy"));
    assert_eq!(response.header("proxy-status"), Some("bearerd; error=connection_limit_reached; details=\"busy\""));
    let refused = ask(&streams, Request::get("http://localhost/").body(()).unwrap()).await.unwrap();
    assert_eq!(refused.head.status, 503);
    assert_eq!((refusals(&scene, Limit::Requests), blamed(&scene, Blame::Bearerd)), (2, [(503, 2)].into()));

    there.send(response_with(200, "second")).await;
    assert_eq!(second.await.unwrap().body, "second");
    first.send(response_with(200, "first")).await;
    assert_eq!(slow.response().await.text(), "first");
    slow.send(GET).await;
    let there = tokio::select! { _ = first.head() => &mut first, _ = there.head() => &mut there };
    there.send(response_with(200, "again")).await;
    assert_eq!(slow.response().await.text(), "again");
}

#[tokio::test]
async fn at_the_socket_limit_an_idle_connection_closes_or_the_request_is_refused() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.bounds.sockets = 3;
    let scene = setting.start();
    let mut first = scene.caller().await;
    first.send(GET).await;
    assert_eq!(first.response().await.status(), 200);
    let others = [scene.caller().await, scene.caller().await];
    eventually("all are connected", || scene.proxy_record.connections() == 3).await;
    first.send(GET).await;
    let response = first.response().await;
    assert_eq!((response.status(), response.code().as_str()), (503, "busy"));
    assert_eq!((refusals(&scene, Limit::Sockets), blamed(&scene, Blame::Bearerd)), (1, [(503, 1)].into()));
    let response = scene.get("/").await;
    assert_eq!((response.status(), response.header("connection")), (503, Some("close")));

    drop(others);
    eventually("they have gone", || scene.proxy_record.connections() == 1).await;
    first.send(GET).await;
    assert_eq!(first.response().await.status(), 200);
}

#[tokio::test]
async fn many_short_header_lines_are_accepted() {
    let api = Api::start(|request| response_with(200, &request.headers.len().to_string())).await;
    let scene = Setting::to(api.address).start();
    for lines in [101, 250] {
        let text: String = (0..lines).map(|line| format!("x-{line}: {line}\r\n")).collect();
        let response = scene.ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{text}\r\n")).await;
        assert_eq!(response.status(), 200, "{lines} lines over HTTP/1.1");
        assert!(response.text().parse::<usize>().unwrap() > lines);
        let mut request = Request::get("http://localhost/");
        for line in 0..lines {
            request = request.header(format!("x-{line}"), line);
        }
        let caller = streams::caller(scene.address).await;
        let response = ask(&caller, request.body(()).unwrap()).await.unwrap();
        assert_eq!(response.head.status, 200, "{lines} lines over HTTP/2");
    }
    let text = "a: b\r\n".repeat(20_000);
    let response = scene.ask(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{text}\r\n")).await;
    assert_eq!(response.status(), 431);
}
