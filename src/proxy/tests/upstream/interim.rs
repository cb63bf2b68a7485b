//! Interim responses from an upstream.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::header::CONTENT_LENGTH;
use tokio::sync::Notify;

use super::scene::Setting;
use super::streams::{self, IncomingRequest};
use super::wire::*;
use crate::proxy::settings::Protocol;

const EXPECTING: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";

fn informational(status: u16) -> Response<()> {
    Response::builder().status(status).header("link", "</a>").body(()).unwrap()
}

#[tokio::test]
async fn interim_responses_are_passed_on_at_once_except_to_http_1_0_callers() {
    for version in ["1.1", "1.0"] {
        let (api, address) = ManualApi::start().await;
        let scene = Setting::to(address).start();
        let mut caller = scene.caller().await;
        caller.send(format!("GET / HTTP/{version}\r\nHost: localhost\r\n\r\n")).await;
        let mut there = api.accept().await;
        there.head().await.unwrap();
        there
            .send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x-hop\r\nX-Hop: 1\r\nlink: </b>\r\n\r\n")
            .await;
        if version == "1.1" {
            let hint = caller.head().await.unwrap().raw;
            assert_eq!(hint, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n");
        }
        there.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").await;
        if version == "1.1" {
            assert_eq!(caller.head().await.unwrap().raw, "HTTP/1.1 102 Processing\r\n\r\n");
        }
        assert_eq!(caller.head().await.unwrap().status(), 204);
    }
}

#[tokio::test]
async fn interim_headers_are_rewritten_and_have_no_length() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n").await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    let lines = format!("Location: http://{address}/a\r\nSet-Cookie: a=1; Domain=x.com; Secure\r\nContent-Length: 5");
    there.send(format!("HTTP/1.1 103 Early Hints\r\n{lines}\r\n\r\n")).await;
    there.send(format!("HTTP/1.1 201 Created\r\n{}\r\n\r\n12345", lines)).await;
    let (hint, last) = (caller.head().await.unwrap(), caller.response().await);
    assert_eq!((hint.status(), last.status(), hint.header("content-length")), (103, 201, None));
    for name in ["location", "set-cookie"] {
        assert_eq!(hint.header(name), last.header(name), "{name}");
    }
    assert_eq!(hint.header("location"), Some("http://localhost:1/a"));
    assert_eq!(hint.header("set-cookie"), Some("a=1"));
}

#[tokio::test]
async fn interim_responses_over_http_2_are_passed_on() {
    let go_on = Arc::<Notify>::default();
    let signal = go_on.clone();
    let (address, _) = streams::api(move |mut incoming: IncomingRequest| {
        let signal = signal.clone();
        async move {
            incoming.respond.send_informational(informational(103)).unwrap();
            signal.notified().await;
            incoming.respond_with(200, "done");
        }
    })
    .await;
    let mut setting = Setting::to(address);
    setting.upstream.protocol = Protocol::Http2;
    let scene = setting.start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(caller.head().await.unwrap().raw, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    go_on.notify_one();
    assert_eq!(caller.response().await.text(), "done");
}

#[tokio::test]
async fn a_content_length_of_an_interim_response_over_http_2_never_cuts_the_body() {
    let (address, _) = streams::api(|mut incoming: IncomingRequest| async move {
        let header = |name: &str| incoming.request.headers().get(name).cloned();
        let (ahead, length) = (header("x-ahead").unwrap(), header("x-length"));
        let hint = Response::builder().status(103).header("content-length", ahead).body(()).unwrap();
        incoming.respond.send_informational(hint).unwrap();
        let mut head = Response::new(());
        head.headers_mut().extend(length.map(|length| (CONTENT_LENGTH, length)));
        let empty = incoming.request.uri().path() == "/empty";
        let mut stream = incoming.respond.send_response(head, empty).unwrap();
        if !empty {
            stream.send_data("body".into(), true).unwrap();
        }
    })
    .await;
    let mut setting = Setting::to(address);
    setting.upstream.protocol = Protocol::Http2;
    let scene = setting.start();
    for (ahead, length, target, status, body) in [
        ("0", "X-Length: 4\r\n", "/", 200, "body"),
        ("9", "X-Length: 4\r\n", "/", 200, "body"),
        ("9", "", "/empty", 200, ""),
        ("0", "", "/", 502, ""),
        ("3", "", "/", 502, ""),
        ("9", "", "/", 502, ""),
    ] {
        // A caller of HTTP/1.0 hears of no interim response.
        let request = format!("GET {target} HTTP/1.0\r\nHost: localhost\r\nX-Ahead: {ahead}\r\n{length}\r\n");
        let response = scene.ask(request).await;
        assert_eq!(response.status(), status, "{ahead} {length} {target}");
        if status == 200 {
            assert_eq!(response.text(), body, "{ahead} {length} {target}");
        } else {
            assert_eq!(response.code(), "upstream-reset");
        }
    }
}

#[tokio::test]
async fn a_caller_gets_a_100_only_once_the_upstream_sends_one() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send(EXPECTING).await;
    let mut there = api.accept().await;
    assert_eq!(there.head().await.unwrap().header("expect"), Some("100-continue"));
    let early = tokio::time::timeout(Duration::from_millis(200), caller.head()).await;
    assert!(early.is_err(), "the caller got a 100 before the upstream sent one: {early:?}");
    there.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(caller.head().await.unwrap().status(), 100);
    caller.send("abc").await;
    assert_eq!(there.exactly(3).await.unwrap(), b"abc");
    there.send(response_with(201, "made")).await;
    assert_eq!(caller.response().await.status(), 201);
}

#[tokio::test]
async fn an_api_over_http_2_may_send_a_100_or_refuse_without_the_body() {
    let (address, _) = streams::api(|mut incoming: IncomingRequest| async move {
        assert_eq!(incoming.request.headers()["expect"], "100-continue");
        // A proxy that does not wait for a 100 has sent the body by then.
        let early = tokio::time::timeout(Duration::from_millis(200), incoming.request.body_mut().data()).await;
        assert!(early.is_err(), "the body was sent before the 100: {early:?}");
        if incoming.request.uri().path() == "/no" {
            return incoming.respond_with(417, "no");
        }
        incoming.respond.send_informational(Response::builder().status(100).body(()).unwrap()).unwrap();
        let (body, _) = streams::read(incoming.request.body_mut()).await.unwrap();
        incoming.respond_with(201, body);
    })
    .await;
    let mut setting = Setting::to(address);
    setting.upstream.protocol = Protocol::Http2;
    let scene = setting.start();
    let mut caller = scene.caller().await;
    caller.send(EXPECTING).await;
    assert_eq!(caller.head().await.unwrap().raw, "HTTP/1.1 100 Continue\r\n\r\n");
    caller.send("abc").await;
    assert_eq!(caller.response().await.text(), "abc");
    caller.send(EXPECTING.replace("/ HTTP", "/no HTTP")).await;
    assert_eq!(caller.head().await.unwrap().status(), 417);
}

#[tokio::test]
async fn a_refusal_instead_of_a_100_avoids_sending_the_body() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send(EXPECTING).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send(response_with(417, "no")).await;
    assert_eq!(caller.response().await.status(), 417);
}

#[tokio::test]
async fn a_server_that_never_sends_a_100_is_waited_for_once() {
    let api = Api::start(|request| response_with(200, &request.text())).await;
    let scene = Setting::to(api.address).start();
    let asking = async {
        let mut caller = scene.caller().await;
        // Each wait would take five seconds.
        for _ in 0..10 {
            caller.send(EXPECTING).await;
            assert_eq!(caller.head().await.unwrap().status(), 100);
            caller.send("abc").await;
            assert_eq!(caller.response().await.text(), "abc");
        }
    };
    tokio::time::timeout(LONG, asking).await.expect("it is waited for each time");
}

#[tokio::test]
async fn a_request_to_an_api_of_http_2_is_not_sent_again_after_an_interim_response() {
    for reason in [h2::Reason::REFUSED_STREAM, h2::Reason::HTTP_1_1_REQUIRED, h2::Reason::PROTOCOL_ERROR] {
        let go_on = Arc::<Notify>::default();
        let told = go_on.clone();
        let (address, connections) = streams::api(move |mut request: IncomingRequest| {
            let told = told.clone();
            async move {
                if request.request.uri().path() == "/first" {
                    return request.respond_with(200, "");
                }
                request.respond.send_informational(informational(103)).unwrap();
                told.notified().await;
                request.respond.send_reset(reason);
            }
        })
        .await;
        let mut setting = Setting::to(address);
        setting.upstream.protocol = Protocol::Http2;
        let scene = setting.start();
        assert_eq!(scene.get("/first").await.status(), 200);
        let mut caller = scene.caller().await;
        caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(caller.head().await.unwrap().status(), 103);
        go_on.notify_one();
        assert_eq!(caller.response().await.status(), 502, "{reason}");
        assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1, "{reason}");
    }
}
