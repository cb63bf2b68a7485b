//! Bodies stream in both directions, complete and unchanged.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::scene::Setting;
use super::streams;
use super::wire::*;

/// Bytes without a short period.
fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(3);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

const LARGE: usize = 20 << 20;

#[tokio::test]
async fn twenty_megabytes_arrive_identical_in_both_directions() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let body = noise(LARGE);
    let mut caller = scene.caller().await;
    let (sent, returned) = (body.clone(), body.clone());
    let upstream = tokio::spawn(async move {
        let mut there = api.accept().await;
        let request = there.message(true).await.unwrap();
        assert!(request.body == sent, "the request's body differs");
        there.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")).await;
        there.send(returned).await;
    });
    caller.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\n")).await;
    caller.send(&body).await;
    let response = caller.response().await;
    assert_eq!(response.header("content-length"), Some("20971520"));
    assert!(response.body == body, "the response body differs");
    upstream.await.unwrap();
}

#[tokio::test]
async fn each_part_of_a_response_arrives_as_it_is_sent() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(caller.head().await.unwrap().header("content-type"), Some("text/event-stream"));
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        there.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
        assert_eq!(caller.chunk().await.unwrap().unwrap(), event.as_bytes());
    }
}

#[tokio::test]
async fn each_part_of_a_request_arrives_as_it_is_sent() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send("GET /g HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").await;
    let mut there = api.accept().await;
    assert_eq!(there.head().await.unwrap().header("transfer-encoding"), Some("chunked"));
    assert_eq!(there.chunk().await.unwrap().unwrap(), b"a");
    caller.send("1\r\nb\r\n").await;
    assert_eq!(there.chunk().await.unwrap().unwrap(), b"b");
}

/// The median time for a small chunk after a head, up and down, on kept-alive connections. An end that has nothing to send delays
/// its acknowledgements.
async fn pace(caller: &mut Caller, there: &mut Caller) -> [Duration; 2] {
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..21 {
        caller.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        took[0].push(piece(caller, there).await);
        there.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        took[1].push(piece(there, caller).await);
    }
    took.map(|mut took| *took.select_nth_unstable(10).1)
}

async fn piece(from: &mut Caller, to: &mut Caller) -> Duration {
    to.head().await.unwrap();
    let sent = tokio::time::Instant::now();
    from.send("1\r\na\r\n").await;
    assert_eq!(to.chunk().await.unwrap().unwrap(), b"a");
    let took = sent.elapsed();
    from.send("0\r\n\r\n").await;
    to.until(b"0\r\n\r\n").await.unwrap();
    took
}

/// Without TCP_NODELAY a small segment waits until the previous one is acknowledged, which may take 40 ms.
#[tokio::test]
async fn no_part_waits_for_an_acknowledgement() {
    let (api, address) = ManualApi::start().await;
    let (mut near, mut far) = (Caller::of(tokio::net::TcpStream::connect(address).await.unwrap()), api.accept().await);
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send(response_with(200, "")).await;
    assert_eq!(caller.response().await.status(), 200);
    for end in [&near, &far, &caller, &there] {
        end.stream.set_nodelay(true).unwrap();
    }
    let direct = pace(&mut near, &mut far).await;
    let through = pace(&mut caller, &mut there).await;
    let stalls = through.iter().zip(direct).any(|(through, direct)| *through > direct + Duration::from_millis(30));
    assert!(!stalls, "up and down: directly {direct:?}, through bearerd {through:?}");
}

#[tokio::test]
async fn a_slow_reader_slows_down_the_writer() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
    caller.head().await.unwrap();
    let (chunk, mut sent) = (noise(1 << 16), 0);
    // More than two sockets and hyper's buffers hold: an upstream that can write all of it was not slowed down.
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(500), there.stream.write(&chunk)).await {
        sent += written.unwrap();
        assert!(sent < 256 << 20, "nothing holds the upstream back");
    }
    // Read while the upstream is still open: a response that breaks off may discard buffered data.
    let rest = caller.exactly(sent).await.unwrap();
    assert!(rest.chunks(chunk.len()).next().unwrap() == &chunk[..], "what was held back differs");
}

#[tokio::test]
async fn request_trailers_after_the_end_of_the_response_arrive() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller
        .send("POST / HTTP/1.1\r\nHost: localhost\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        .await;
    let mut there = api.accept().await;
    assert!(there.head().await.is_some() && there.chunk().await == Some(Some(b"a".to_vec())));
    there.send(response_with(200, "early")).await;
    assert_eq!(caller.response().await.text(), "early");
    caller.send("0\r\nX-Sum: 7\r\n\r\n").await;
    drop(caller);
    assert_eq!(there.chunk().await, Some(None), "the body has ended");
    assert_eq!(there.until(b"\r\n\r\n").await.as_deref(), Some(&b"X-Sum: 7\r\n\r\n"[..]));
}

#[tokio::test]
async fn trailers_pass_in_both_directions_without_credentials() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller
        .send("POST / HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nTrailer: X-Sum, Authorization\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\nAuthorization: evil\r\n\r\n")
        .await;
    let mut there = api.accept().await;
    let request = there.message(true).await.unwrap();
    assert_eq!((request.text().as_str(), request.header("te")), ("a", Some("trailers")));
    assert_eq!(request.header("connection"), Some("TE"));
    assert_eq!(request.trailers, "X-Sum: 7\r\n");
    there
        .send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nX-Sum: 8\r\n\r\n")
        .await;
    let response = caller.response().await;
    assert_eq!((response.text().as_str(), response.trailers.as_str()), ("b", "X-Sum: 8\r\n"));
}

#[tokio::test]
async fn hop_by_hop_headers_are_removed_from_trailers_over_both_protocols() {
    const HOPS: &str = "Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: gzip\r\n\
         Content-Length: 7\r\nTrailer: X-Sum\r\nProxy-Authenticate: Basic\r\nProxy-Status: bearerd; error=x, other\r\n";
    let names = "Trailer: X-Sum, X-Hop, Connection, Keep-Alive, Transfer-Encoding, Proxy-Authenticate, Proxy-Status";
    let sent = format!(
        "HTTP/1.1 200 OK\r\n{names}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n{HOPS}X-Sum: 8\r\n\r\n"
    );
    let api = Api::start(move |_| sent.clone()).await;
    let scene = Setting::to(api.address).start();
    let response = scene.ask("GET / HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\n\r\n").await;
    let mut lines: Vec<_> = response.trailers.lines().collect();
    lines.sort_unstable();
    assert_eq!((response.text().as_str(), lines), ("b", vec!["Proxy-Status: other", "X-Sum: 8"]));
    let caller = streams::caller(scene.address).await;
    let response = streams::ask(&caller, streams::get("/")).await.unwrap();
    let mut names: Vec<_> = response.trailers.unwrap().keys().map(ToString::to_string).collect();
    names.sort_unstable();
    assert_eq!((response.body.as_str(), names), ("b", vec!["proxy-status".to_owned(), "x-sum".to_owned()]));
}

#[tokio::test]
async fn a_response_before_the_end_of_the_request_body_is_passed_on() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc").await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send(response_with(413, "too much")).await;
    let response = caller.response().await;
    assert_eq!((response.status(), response.text().as_str()), (413, "too much"));
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_upstream_request() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    for head_first in [false, true] {
        let mut caller = scene.caller().await;
        caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut there = api.accept().await;
        there.head().await.unwrap();
        if head_first {
            there.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
            caller.head().await.unwrap();
        }
        drop(caller);
        assert!(there.is_closed().await);
    }
}

#[tokio::test]
async fn a_truncated_response_does_not_look_complete() {
    let api =
        Api::start(|_| "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nBROKEN".to_owned()).await;
    let scene = Setting::to(api.address).start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(caller.message(false).await.is_none());
}

#[tokio::test]
async fn the_received_part_of_a_truncated_response_is_passed_on() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    for (sent, came) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "\r\n\r\nhello"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx", "\r\n\r\n5\r\nhello\r\n"),
    ] {
        let mut caller = scene.caller().await;
        caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut there = api.accept().await;
        there.head().await.unwrap();
        there.send(sent).await;
        drop(there);
        let mut text = String::new();
        caller.stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with(came), "{sent:?} arrives as {text:?}");
    }
}

#[tokio::test]
async fn a_caller_may_send_its_whole_body_before_it_reads_the_response() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\n")).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    let (mut read, mut write) = there.stream.into_split();
    let responding = tokio::spawn(async move {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
        write.write_all(&[head.as_bytes(), &noise(LARGE)].concat()).await.unwrap();
    });
    let reading = tokio::spawn(async move {
        let mut body = vec![0; LARGE];
        read.read_exact(&mut body).await.unwrap();
        body
    });
    caller.send(noise(LARGE)).await;
    assert!(reading.await.unwrap() == noise(LARGE), "the request's body differs");
    assert!(caller.response().await.body == noise(LARGE), "the response body differs");
    responding.await.unwrap();
}
