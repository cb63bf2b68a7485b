//! HTTP/2 from callers, to upstreams, or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};

use super::scene::{Scene, Setting};
use super::streams::{self, IncomingRequest, ask, get, read_response};
use super::wire::*;
use crate::proxy::settings::Protocol;
use crate::shutdown::Phase;

pub(super) fn to_http2(address: std::net::SocketAddr) -> Scene {
    let mut setting = Setting::to(address);
    setting.upstream.protocol = Protocol::Http2;
    setting.start()
}

#[tokio::test]
async fn a_caller_of_http_2_reaches_an_api_of_http_1() {
    let api = Api::start(|request| response_with(200, request.target())).await;
    let scene = Setting::to(api.address).start();
    let caller = streams::caller(scene.address).await;
    let request = Request::get("http://localhost/a%2Fb?q=%20&&").header("te", "trailers").header("cookie", "a=1");
    let response = ask(&caller, request.header("cookie", "b=2").body(()).unwrap()).await.unwrap();
    assert_eq!((response.head.status.as_u16(), response.body.as_str()), (200, "/a%2Fb?q=%20&&"));
    let seen = api.last();
    assert_eq!(seen.header("host"), Some(api.address.to_string().as_str()));
    assert_eq!((seen.header("authorization"), seen.header("cookie")), (Some("Bearer g1"), Some("a=1; b=2")));
    assert_eq!((seen.header("te"), seen.header("transfer-encoding")), (Some("trailers"), None));
    assert_eq!(seen.header("connection"), Some("TE"));
    let far = ask(&caller, Request::get("http://evil.example/").body(()).unwrap()).await.unwrap();
    assert_eq!(far.head.status, 403);
    assert_eq!(scene.proxy_record.connections(), 1);
}

#[tokio::test]
async fn a_post_without_a_body_has_a_length_in_every_protocol() {
    let api = Api::start(|request| response_with(200, request.header("content-length").unwrap_or("none"))).await;
    let (address, _) = streams::api(|mut incoming: IncomingRequest| async move {
        let length = incoming.request.headers().get("content-length").map(|length| length.to_str().unwrap().to_owned());
        incoming.respond_with(200, length.unwrap_or("none".to_owned()));
    })
    .await;
    for scene in [Setting::to(api.address).start(), to_http2(address)] {
        let caller = streams::caller(scene.address).await;
        for (method, length) in [("POST", "0"), ("PUT", "0"), ("PATCH", "0"), ("GET", "none"), ("DELETE", "none")] {
            let request = Request::builder().method(method).uri("http://localhost/").body(()).unwrap();
            assert_eq!(ask(&caller, request).await.unwrap().body, length, "{method}");
            let response = scene.ask(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
            assert_eq!(response.text(), length, "{method}");
        }
    }
}

#[tokio::test]
async fn an_invalid_response_is_a_502_and_equal_lengths_are_merged() {
    let (address, _) = streams::api(|mut incoming: IncomingRequest| async move {
        let informational = |status: u16| Response::builder().status(status).body(()).unwrap();
        match incoming.request.uri().path() {
            "/switch" => incoming.respond.send_informational(informational(101)).unwrap(),
            "/flood" => {
                for _ in 0..17 {
                    incoming.respond.send_informational(informational(103)).unwrap();
                }
            }
            "/many" => {
                for _ in 0..16 {
                    incoming.respond.send_informational(informational(100)).unwrap();
                }
            }
            _ => {}
        }
        let second = if incoming.request.uri().path() == "/differ" { 3 } else { 2 };
        let head = Response::builder().header("content-length", 2).header("content-length", second).body(()).unwrap();
        incoming.respond.send_response(head, false).unwrap().send_data("ok".into(), true).unwrap();
    })
    .await;
    let scene = to_http2(address);
    for (path, expected) in [("/", 200), ("/many", 200), ("/switch", 502), ("/flood", 502), ("/differ", 502)] {
        let response = scene.ask(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")).await;
        assert_eq!(response.status(), expected, "{path}");
        if expected == 200 {
            let lengths: Vec<_> = response.headers.get_all("content-length").iter().cloned().collect();
            assert_eq!((lengths, response.text().as_str()), (vec![HeaderValue::from(2)], "ok"));
        } else {
            assert_eq!(response.code(), "upstream-reset");
        }
    }
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let (address, _) = streams::api(|mut incoming: IncomingRequest| async move {
        let (body, trailers) = streams::read(incoming.request.body_mut()).await.unwrap();
        assert_eq!(trailers.unwrap()["x-sum"], "7");
        let mut stream = incoming.respond.send_response(Response::new(()), false).unwrap();
        stream.send_data(body.into(), false).unwrap();
        stream.send_trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), 0.into())])).unwrap();
    })
    .await;
    let scene = to_http2(address);
    let mut caller = streams::caller(scene.address).await.ready().await.unwrap();
    let (response, mut body) =
        caller.send_request(Request::post("http://localhost/").body(()).unwrap(), false).unwrap();
    body.send_data(Bytes::from_static(b"hello"), false).unwrap();
    let trailers = [("x-sum", "7"), ("authorization", "Bearer evil")];
    let trailers = trailers.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    body.send_trailers(HeaderMap::from_iter(trailers)).unwrap();
    let response = read_response(response).await.unwrap();
    assert_eq!((response.body.as_str(), response.trailers.unwrap()["grpc-status"].as_bytes()), ("hello", &b"0"[..]));
}

#[tokio::test]
async fn a_reset_request_is_not_forwarded_as_complete() {
    for reason in [h2::Reason::NO_ERROR, h2::Reason::CANCEL] {
        let (api, address) = ManualApi::start().await;
        let scene = Setting::to(address).start();
        let mut caller = streams::caller(scene.address).await.ready().await.unwrap();
        let request = Request::post("http://localhost/").body(()).unwrap();
        let (_response, mut body) = caller.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"half"), false).unwrap();
        let mut there = api.accept().await;
        assert_eq!(there.head().await.unwrap().header("transfer-encoding"), Some("chunked"));
        assert_eq!(there.chunk().await.unwrap().unwrap(), b"half");
        body.send_reset(reason);
        assert!(there.chunk().await.is_none(), "{reason:?}");
    }
}

#[tokio::test]
async fn grpc_streams_both_ways_at_once_and_may_be_silent() {
    let (address, _) = streams::api(|mut incoming: IncomingRequest| async move {
        let mut stream = incoming.respond.send_response(Response::new(()), false).unwrap();
        while let Some(Ok(data)) = incoming.request.body_mut().data().await {
            stream.send_data(data, false).unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    })
    .await;
    let mut setting = Setting::to(address);
    setting.upstream.protocol = Protocol::Http2;
    setting.upstream.timeouts.response = Duration::from_millis(1);
    setting.limits.body_idle = Duration::from_millis(1);
    let scene = setting.start();
    let mut caller = streams::caller(scene.address).await.ready().await.unwrap();
    let request = Request::post("http://localhost/x.Y/Z").header("content-type", "application/grpc").body(()).unwrap();
    let (response, mut up) = caller.send_request(request, false).unwrap();
    let mut down = response.await.unwrap().into_body();
    for word in ["one", "two", "three"] {
        up.send_data(word.into(), false).unwrap();
        let echo = tokio::time::timeout(LONG, down.data()).await.unwrap().unwrap().unwrap();
        assert_eq!(echo, word);
    }
    up.send_data(Bytes::new(), true).unwrap();
    assert_eq!(streams::read(&mut down).await.unwrap().0, b"");
}

#[tokio::test]
async fn a_reset_by_the_caller_or_the_api_reaches_the_other() {
    let gone = Arc::new(AtomicBool::new(false));
    let resets = Arc::<AtomicUsize>::default();
    let (seen, count) = (gone.clone(), resets.clone());
    let (address, _) = streams::api(move |mut incoming: IncomingRequest| {
        let (seen, count) = (seen.clone(), count.clone());
        async move {
            if incoming.request.uri().path() == "/reset" {
                count.fetch_add(1, Ordering::SeqCst);
                return incoming.respond.send_reset(h2::Reason::ENHANCE_YOUR_CALM);
            }
            let mut stream = incoming.respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(b"first"), false).unwrap();
            let _ = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
            seen.store(true, Ordering::SeqCst);
        }
    })
    .await;
    let scene = to_http2(address);
    let caller = streams::caller(scene.address).await;
    let (response, mut stream) = caller.clone().ready().await.unwrap().send_request(get("/"), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "first");
    assert!(!gone.load(Ordering::SeqCst));
    stream.send_reset(h2::Reason::CANCEL);
    eventually("the API notices", || gone.load(Ordering::SeqCst)).await;
    let response = ask(&caller, get("/reset")).await.unwrap();
    assert_eq!(response.head.status, 502);
    assert!(response.body.contains("upstream-reset"), "{}", response.body);
    assert_eq!(resets.load(Ordering::SeqCst), 1, "what was looked at is not sent again");
}

#[tokio::test]
async fn conflicting_lengths_are_refused_and_equal_ones_merged() {
    let api = Api::start(|request| {
        response_with(200, &format!("{:?}", request.headers.get_all("content-length").iter().count()))
    })
    .await;
    let caller = streams::caller(Setting::to(api.address).start().address).await;
    for (second, status, body) in [("2", 200, "1"), ("3", 400, ""), ("02", 400, "")] {
        let request = Request::post("http://localhost/").header("content-length", 2).header("content-length", second);
        let mut caller = caller.clone().ready().await.unwrap();
        let (response, mut stream) = caller.send_request(request.body(()).unwrap(), false).unwrap();
        // A refused request may get its response before the body arrives.
        let _ = stream.send_data(Bytes::from_static(b"hi"), true);
        match read_response(response).await {
            Ok(response) => {
                assert!(response.head.status == status && response.body.contains(body), "{second}: {response:?}")
            }
            // h2 itself may refuse it.
            Err(error) => assert_eq!((status, error.reason()), (400, Some(h2::Reason::PROTOCOL_ERROR)), "{second}"),
        }
    }
    assert_eq!(api.seen().len(), 1);
}

#[tokio::test]
async fn a_header_name_that_is_invalid_in_http_1_is_refused() {
    let api = Api::start(|_| response_with(200, "")).await;
    let caller = streams::caller(Setting::to(api.address).start().address).await;
    let mut request = get("/");
    request.headers_mut().insert(http::HeaderName::from_lowercase(b"x\"y").unwrap(), HeaderValue::from_static("1"));
    assert_eq!(ask(&caller, request).await.unwrap().head.status, 400);
}

#[tokio::test]
async fn an_error_response_to_a_grpc_request_has_a_grpc_status() {
    let (api, address) = ManualApi::start().await;
    drop(api);
    let scene = to_http2(address);
    let caller = streams::caller(scene.address).await;
    let request = Request::post("http://localhost/x.Y/Z").header("content-type", "application/grpc").body(()).unwrap();
    let response = ask(&caller, request).await.unwrap();
    assert_eq!((response.head.status.as_u16(), response.head.headers["grpc-status"].as_bytes()), (502, &b"14"[..]));
    assert!(response.body.contains("upstream-unreachable"));
    assert!(!ask(&caller, get("/")).await.unwrap().head.headers.contains_key("grpc-status"));
}

#[tokio::test]
async fn http_2_callers_are_drained_and_time_out_when_idle() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let caller = streams::caller(scene.address).await;
    let asking = tokio::spawn({
        let caller = caller.clone();
        async move { ask(&caller, get("/")).await.unwrap().body }
    });
    let mut there = api.accept().await;
    there.head().await.unwrap();
    scene.trigger.advance(Phase::Draining);
    eventually("no new stream is taken", || std::net::TcpStream::connect(scene.address).is_err()).await;
    there.send(response_with(200, "done")).await;
    assert_eq!(asking.await.unwrap(), "done");
    tokio::time::timeout(LONG, scene.thread.ended()).await.unwrap();

    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.limits.caller_idle = Duration::from_millis(100);
    let scene = setting.start();
    let caller = streams::caller(scene.address).await;
    ask(&caller, get("/")).await.unwrap();
    assert_eq!(caller.current_max_send_streams(), 100, "as many at a time, and no more");
    eventually("it is let go", || scene.proxy_record.connections() == 0).await;
}
