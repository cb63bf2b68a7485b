//! HTTP/2 connections to an upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use super::http2::to_http2;
use super::scene::Scene;
use super::streams::{self, IncomingRequest, ask, get, read_response};
use super::wire::*;

/// A caller that has sent a POST, and the API's end of the connection that received it, for frames written by hand.
async fn posted(scene: &Scene, api: &ManualApi) -> (Caller, Caller) {
    let mut caller = scene.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi").await;
    let mut there = api.accept().await;
    // The server's SETTINGS frame.
    there.send(b"\0\0\0\x04\0\0\0\0\0").await;
    there.until(b"hi").await.unwrap();
    (caller, there)
}

#[tokio::test]
async fn many_requests_share_one_connection_to_an_api_of_http_2() {
    let (address, connections) = streams::api(|mut incoming: IncomingRequest| async move {
        let path = incoming.request.uri().path().to_owned();
        let host = incoming.request.headers().contains_key("host");
        incoming.respond_with(200, format!("{path} {host} {}", incoming.request.uri().authority().is_some()));
    })
    .await;
    let scene = to_http2(address);
    let caller = streams::caller(scene.address).await;
    let asking = (0..60).map(|number| {
        let caller = caller.clone();
        tokio::spawn(async move { ask(&caller, get(&format!("/{number}"))).await.unwrap().body })
    });
    for (number, response) in asking.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(response.await.unwrap(), format!("/{number} false true"));
    }
    assert_eq!(scene.get("/by-http1").await.text(), "/by-http1 false true");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_with_goaway_is_replaced_and_a_refused_stream_sent_again() {
    let refused = Arc::new(AtomicBool::new(false));
    let (address, connections) = streams::api(move |mut incoming: IncomingRequest| {
        let refuse = incoming.request.uri().path() == "/refuse" && !refused.swap(true, Ordering::SeqCst);
        async move {
            if refuse {
                return incoming.respond.send_reset(h2::Reason::REFUSED_STREAM);
            }
            incoming.respond_with(200, incoming.connection.to_string());
        }
    })
    .await;
    let scene = to_http2(address);
    assert_eq!(scene.get("/").await.text(), "1");
    let post = "POST /refuse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(scene.ask(post).await.text(), "1");
    assert_eq!(scene.get("/goaway").await.text(), "1");
    assert_eq!(scene.get("/").await.text(), "2");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_request_that_a_goaway_excludes_is_sent_again() {
    let (api, address) = ManualApi::start().await;
    let scene = to_http2(address);
    let (mut caller, mut there) = posted(&scene, &api).await;
    // A GOAWAY with last stream ID 0: no stream was processed.
    there.send(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0").await;
    let second = api.accept().await.stream;
    tokio::spawn(streams::talk(h2::server::Builder::new(), second, 2, |mut incoming: IncomingRequest| async move {
        let (body, _) = streams::read(incoming.request.body_mut()).await.unwrap();
        incoming.respond_with(200, body);
    }));
    assert_eq!(caller.response().await.text(), "hi");
}

#[tokio::test]
async fn data_before_a_reset_is_passed_on() {
    let (api, address) = ManualApi::start().await;
    let scene = to_http2(address);
    let (mut caller, mut there) = posted(&scene, &api).await;
    // At once: a HEADERS frame with status 200, three bytes of DATA, and a RST_STREAM.
    let frames =
        [&b"\0\0\x01\x01\x04\0\0\0\x01\x88"[..], b"\0\0\x03\0\0\0\0\0\x01abc", b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08"];
    there.send(frames.concat()).await;
    assert_eq!(caller.head().await.unwrap().status(), 200);
    assert_eq!(caller.chunk().await, Some(Some(b"abc".to_vec())));
    assert_eq!(caller.chunk().await, None);
}

#[tokio::test]
async fn requests_beyond_the_stream_limit_use_another_connection() {
    let all = Arc::new(tokio::sync::Barrier::new(4));
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(2);
    let (address, connections) = streams::api_as(builder, move |mut incoming: IncomingRequest| {
        let all = all.clone();
        async move {
            if incoming.request.uri().path() == "/together" {
                all.wait().await;
            }
            incoming.respond_with(200, "");
        }
    })
    .await;
    let scene = Arc::new(to_http2(address));
    assert_eq!(scene.get("/").await.status(), 200);
    let together = (0..4).map(|_| {
        let scene = scene.clone();
        tokio::spawn(async move { scene.get("/together").await.status() })
    });
    for status in together.collect::<Vec<_>>() {
        assert_eq!(status.await.unwrap(), 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_its_stream_before_the_response_and_during_the_body() {
    let (gone, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let (address, _) = streams::api(move |mut incoming: IncomingRequest| {
        let gone = gone.clone();
        async move {
            let reset = if incoming.request.uri().path() == "/silent" {
                gone.send(None).unwrap();
                std::future::poll_fn(|cx| incoming.respond.poll_reset(cx)).await
            } else {
                let mut stream = incoming.respond.send_response(Response::new(()), false).unwrap();
                std::future::poll_fn(|cx| stream.poll_reset(cx)).await
            };
            gone.send(Some(reset.unwrap())).unwrap();
        }
    })
    .await;
    let scene = to_http2(address);
    let mut caller = scene.caller().await;
    caller.send("GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(tokio::time::timeout(LONG, seen.recv()).await.unwrap(), Some(None));
    drop(caller);
    assert_eq!(tokio::time::timeout(LONG, seen.recv()).await.unwrap(), Some(Some(h2::Reason::CANCEL)));

    let mut caller = streams::caller(scene.address).await.ready().await.unwrap();
    let (response, mut up) = caller.send_request(get("/"), false).unwrap();
    // The upstream takes 65,535 bytes: the last part waits.
    (0..5).for_each(|part| up.send_data(vec![7; 16 << 10].into(), part == 4).unwrap());
    let response = response.await.unwrap();
    up.send_reset(h2::Reason::CANCEL);
    drop(response);
    assert_eq!(tokio::time::timeout(LONG, seen.recv()).await.unwrap(), Some(Some(h2::Reason::CANCEL)));
}

#[tokio::test]
async fn small_parts_that_arrive_together_are_sent_together() {
    const PARTS: usize = 2000;
    let (address, _) = streams::api(|mut incoming: IncomingRequest| async move {
        let (mut frames, mut length) = (0, 0);
        while let Some(data) = incoming.request.body_mut().data().await.transpose().unwrap() {
            incoming.request.body_mut().flow_control().release_capacity(data.len()).unwrap();
            (frames, length) = (frames + 1, length + data.len());
        }
        let trailers = incoming.request.body_mut().trailers().await.unwrap();
        incoming.respond_with(
            200,
            format!("{} {length} {}", frames < PARTS / 4, trailers.unwrap()["x-sum"].to_str().unwrap()),
        );
    })
    .await;
    let scene = to_http2(address);
    let mut caller = streams::caller(scene.address).await.ready().await.unwrap();
    let (response, mut body) =
        caller.send_request(Request::post("http://localhost/").body(()).unwrap(), false).unwrap();
    (0..PARTS).for_each(|_| body.send_data(Bytes::from_static(b"part"), false).unwrap());
    body.send_trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), 7.into())])).unwrap();
    assert_eq!(read_response(response).await.unwrap().body, format!("true {} 7", PARTS * 4));

    let mut caller = scene.caller().await;
    let parts = "4\r\npart\r\n".repeat(PARTS);
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
    caller.send(format!("{head}{parts}0\r\nX-Sum: 7\r\n\r\n")).await;
    assert_eq!(caller.response().await.text(), format!("true {} 7", PARTS * 4));
}

#[tokio::test]
async fn large_bodies_arrive_complete_through_small_windows() {
    let (address, _) = streams::api(|mut incoming: IncomingRequest| async move {
        let (body, _) = streams::read(incoming.request.body_mut()).await.unwrap();
        incoming.respond_with(200, body);
    })
    .await;
    let scene = to_http2(address);
    let body: Vec<u8> = (0u32..3_000_000).map(|at| (at / 7) as u8).collect();
    let mut caller = scene.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for part in body.chunks(100_000) {
        caller.send([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()).await;
    }
    caller.send("0\r\n\r\n").await;
    assert!(caller.response().await.body == body);
}

#[tokio::test]
async fn an_early_response_is_complete_unless_its_stream_is_reset() {
    let (address, _) = streams::api(|mut incoming: IncomingRequest| async move {
        let early = incoming.request.uri().path() == "/early";
        let mut stream = incoming.respond.send_response(Response::new(()), false).unwrap();
        stream.send_data(Bytes::from_static(b"enough"), early).unwrap();
        if !early {
            let _ = incoming.request.body_mut().data().await;
            stream.send_reset(h2::Reason::CANCEL);
        }
        // If a body was not read, h2 resets its stream with NO_ERROR.
    })
    .await;
    let scene = to_http2(address);
    for (path, whole) in [("/early", true), ("/given-up", false)] {
        let mut caller = scene.caller().await;
        caller.send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")).await;
        let response = async { (caller.head().await.unwrap().status(), caller.chunk().await.unwrap().unwrap()) }.await;
        assert_eq!(response, (200, b"enough".to_vec()));
        if !whole {
            caller.send("x").await;
        }
        assert_eq!(caller.chunk().await, whole.then_some(None), "{path}");
        assert!(caller.is_closed().await, "the rest is not read");
    }
    let caller = streams::caller(scene.address).await;
    let (response, mut up) = caller.ready().await.unwrap().send_request(get("/given-up"), false).unwrap();
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "enough");
    up.send_data(Bytes::from_static(b"x"), false).unwrap();
    assert_eq!(streams::read(&mut body).await.unwrap_err().reason(), Some(h2::Reason::CANCEL));
}
