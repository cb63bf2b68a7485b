//! Malformed responses over real sockets: what curl accepts is accepted, what is forwarded is valid, and bytes after a response
//! never reach the next caller.

use std::time::Duration;

use super::scene::Setting;
use super::wire::*;

/// An HTTP/1.0 caller gets no interim responses.
const OLD: &str = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The response that a caller gets when the upstream sends this.
async fn passed(request: &str, response: impl AsRef<[u8]>) -> Option<WireMessage> {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send(request).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send(response).await;
    drop(there);
    heard(&mut caller, request).await
}

async fn heard(caller: &mut Caller, request: &str) -> Option<WireMessage> {
    if request.starts_with("HEAD") { caller.head().await } else { caller.message(false).await }
}

#[tokio::test]
async fn a_status_line_with_no_reason_or_any_bytes_in_it_is_accepted() {
    for status in [200, 302, 404] {
        for reason in [&b""[..], b" ", b" D\xe9plac\xe9"] {
            for status_before in [None, Some(100), Some(103)] {
                let line = |status: u16| [format!("HTTP/1.1 {status}").as_bytes(), reason, b"\r\n"].concat();
                let interim =
                    status_before.map(|status_before| [&line(status_before)[..], b"\r\n"].concat()).unwrap_or_default();
                let sent = [&interim[..], &line(status), b"Content-Length: 2\r\n\r\nok"].concat();
                let response = passed(OLD, sent).await.unwrap();
                assert_eq!((response.status(), response.text().as_str()), (status, "ok"), "{status_before:?}");
            }
        }
    }
}

#[tokio::test]
async fn responses_that_curl_accepts_are_accepted() {
    let many = "X: y\r\n".repeat(1000);
    for lines in [
        "X-A : 1\r\nContent-Length: 2\r\n\r\nok",
        "X-A: 1\r\nContent-Length : 2\r\n\r\nok",
        "X-A: 1\nContent-Length: 2\n\nok",
        "X-B: a\r\n b\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok",
        "X y: a\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok",
        "no colon\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok",
        "X-B: a\rb\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok",
        &format!("X-A: 1\r\n{many}Content-Length: 2\r\n\r\nok"),
        "X-A: 1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "X-A: 1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let response = passed(GET, format!("HTTP/1.1 200 OK\r\n{lines}")).await.unwrap();
        let received = (response.status(), response.text(), response.header("x-a"));
        assert_eq!(received, (200, "ok".to_owned(), Some("1")), "{lines:?}");
    }
}

#[tokio::test]
async fn equal_lengths_are_merged_for_every_method_and_status() {
    for (request, status) in [("HEAD", 200), ("GET", 200), ("GET", 304)] {
        for lengths in ["Content-Length: 2\r\nContent-Length: 2", "Content-Length: 2, 2"] {
            let body = if (request, status) == ("GET", 200) { "ok" } else { "" };
            let sent = format!("HTTP/1.1 {status} X\r\n{lengths}\r\n\r\n{body}");
            let response = passed(&GET.replace("GET", request), sent).await;
            let response = response.unwrap_or_else(|| panic!("{request} {status} {lengths}"));
            let received: Vec<_> = response.headers.get_all("content-length").iter().cloned().collect();
            // hyper sends no length with a 304.
            let expected = if status == 304 { vec![] } else { vec![http::HeaderValue::from_static("2")] };
            assert_eq!((response.status(), received), (status, expected), "{request} {lengths}");
        }
    }
}

#[tokio::test]
async fn an_unreadable_response_is_a_502() {
    for lines in [
        "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked, gzip\r\n\r\nok",
        "Transfer-Encoding: x\r\nContent-Length: 2\r\n\r\nok",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    ] {
        let response = passed(GET, format!("HTTP/1.1 200 OK\r\n{lines}")).await.unwrap();
        assert_eq!((response.status(), response.code().as_str()), (502, "upstream-reset"), "{lines:?}");
    }
}

#[tokio::test]
async fn bytes_after_a_response_never_reach_the_next_caller() {
    const STRAY: &str = "HTTP/1.1 200 Stray\r\nContent-Length: 5\r\n\r\nstray";
    for (request, sent) in [
        ("GET", "HTTP/1.1 204 N\r\n\r\n"),
        ("GET", "HTTP/1.1 304 N\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 K\r\nContent-Length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 200 K\r\nContent-Length: 2\r\n\r\nok"),
        ("GET", "HTTP/1.1 200 K\r\nContent-Length: 0\r\n\r\n"),
        ("GET", "HTTP/1.1 200 K\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("GET", "HTTP/1.1 200 K\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n"),
    ] {
        for later in [false, true] {
            let (api, address) = ManualApi::start().await;
            let scene = Setting::to(address).start();
            let mut caller = scene.caller().await;
            caller.send(GET.replace("GET", request)).await;
            let mut there = api.accept().await;
            there.head().await.unwrap();
            there.send(format!("{sent}{}", if later { "" } else { STRAY })).await;
            let first = heard(&mut caller, request).await.unwrap();
            assert_ne!(first.text(), "stray");
            if later {
                // The bytes are in the socket when the next request comes.
                there.send(STRAY).await;
            }
            caller.send(GET).await;
            let mut other = api.accept().await;
            other.head().await.unwrap();
            other.send(response_with(200, "right")).await;
            assert_eq!(caller.response().await.text(), "right", "{sent:?} {later}");
        }
    }
}

#[tokio::test]
async fn interim_responses_are_limited() {
    let long = format!("HTTP/1.1 103 E\r\nX: {}\r\n\r\n", "x".repeat(5000));
    for (interim, count, status) in [
        ("HTTP/1.1 100 C\r\n\r\n", 16, 200),
        ("HTTP/1.1 100 C\r\n\r\n", 17, 502),
        ("HTTP/1.1 102 P\r\n\r\n", 100, 502),
        (&long, 12, 200),
        (&long, 14, 502),
    ] {
        let sent = format!("{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", interim.repeat(count));
        let response = passed(OLD, sent).await.unwrap();
        assert_eq!(response.status(), status, "{count}");
    }
}

#[tokio::test]
async fn an_endless_response_does_not_delay_other_requests() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let (mut one, mut other) = (scene.caller().await, scene.caller().await);
    one.send(GET).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    let talking = tokio::spawn(async move {
        let interim = "HTTP/1.1 103 E\r\n\r\n".repeat(10_000);
        while tokio::io::AsyncWriteExt::write_all(&mut there.stream, interim.as_bytes()).await.is_ok() {}
    });
    other.send(GET).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send(response_with(200, "right")).await;
    assert_eq!(other.response().await.text(), "right");
    tokio::time::timeout(Duration::from_secs(20), talking).await.expect("it is heard without end").unwrap();
}

#[tokio::test]
async fn a_request_that_got_any_byte_of_a_response_is_not_sent_again() {
    for (said, hints) in [
        ("garbage\r\n\r\n", 0),
        ("HTTP/1.1 20", 0),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", 0),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody!", 0),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", 1),
        ("HTTP/1.1 103 Early Hints\r\n\r\ngarbage\r\n\r\n", 1),
        (&"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17), 16),
    ] {
        for method in ["GET", "DELETE"] {
            let (api, address) = ManualApi::start().await;
            let scene = Setting::to(address).start();
            let mut caller = scene.caller().await;
            caller.send(GET).await;
            let mut there = api.accept().await;
            there.head().await.unwrap();
            there.send(response_with(200, "")).await;
            assert_eq!(caller.response().await.status(), 200);
            caller.send(GET.replace("GET", method)).await;
            there.head().await.unwrap();
            there.send(said).await;
            drop(there);
            for _ in 0..hints {
                assert_eq!(caller.head().await.unwrap().status(), 103, "{said:?}");
            }
            // Nobody answers a second attempt.
            let told = caller.response().await;
            assert_eq!((told.status(), told.code().as_str()), (502, "upstream-reset"), "{method} {said:?}");
        }
    }
}
