//! Callers of HTTP/1.0, to whom the end of the connection is the end of a response of unknown length.

use std::io::ErrorKind;

use tokio::io::AsyncReadExt;

use super::scene::{Scene, Setting};
use super::wire::*;
use crate::shutdown::Phase;

const KEPT: &str = "GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
const PLAIN: &str = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n";

async fn asked(request: &str) -> (Scene, Caller, Caller) {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send(request).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    (scene, caller, there)
}

/// All that still comes to the caller, and what ends it.
async fn rest(mut caller: Caller) -> (String, Result<(), ErrorKind>) {
    let mut came = Vec::new();
    let end = tokio::time::timeout(LONG, caller.stream.read_to_end(&mut came)).await.expect("no end");
    (String::from_utf8(came).unwrap(), end.map(|_| ()).map_err(|error| error.kind()))
}

async fn has_body(caller: &Caller) {
    let mut came = [0; 256];
    loop {
        let length = caller.stream.peek(&mut came).await.unwrap();
        if came[..length].ends_with(b"body") {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_resets_the_connection() {
    for request in [PLAIN, KEPT] {
        for (more, reset) in [("", false), ("", true), ("zz\r\n", false), ("5\r\nhal", false)] {
            let (_scene, caller, mut there) = asked(request).await;
            there.send(format!("{CHUNKED}{more}")).await;
            if more.is_empty() {
                tokio::time::timeout(LONG, has_body(&caller)).await.expect("no body");
            }
            if reset {
                there.stream.set_zero_linger().unwrap();
            }
            drop(there);
            let (came, end) = rest(caller).await;
            assert_eq!(end, Err(ErrorKind::ConnectionReset), "{came:?} {more:?} {reset}");
            assert!(!more.is_empty() || came.ends_with("\r\n\r\nbody"), "{came:?}");
        }
    }
}

#[tokio::test]
async fn a_response_that_the_shutdown_ends_resets_the_connection() {
    let (scene, caller, mut there) = asked(PLAIN).await;
    there.send(CHUNKED).await;
    caller.stream.readable().await.unwrap();
    scene.trigger.advance(Phase::Cut);
    assert_eq!(rest(caller).await.1, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_complete_response_ends_with_the_connection_and_does_not_announce_another() {
    for request in [PLAIN, KEPT] {
        for response in
            [&format!("{CHUNKED}0\r\n\r\n"), &format!("{CHUNKED}0\r\nX-Sum: 1\r\n\r\n"), "HTTP/1.1 200 OK\r\n\r\nbody"]
        {
            let (_scene, caller, mut there) = asked(request).await;
            there.send(response).await;
            drop(there);
            assert_eq!(rest(caller).await, ("HTTP/1.0 200 OK\r\n\r\nbody".to_owned(), Ok(())), "{response:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_is_kept_where_the_length_is_known_or_there_is_no_body() {
    for (method, response) in [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ] {
        let request = KEPT.replace("GET", method);
        let (_scene, mut caller, mut there) = asked(&request).await;
        for _ in 0..2 {
            there.send(response).await;
            let head = caller.head().await.unwrap();
            assert_eq!(head.header("connection"), Some("keep-alive"), "{method} {response:?}");
            if response.ends_with("body") {
                assert_eq!(caller.exactly(4).await.unwrap(), b"body");
            }
            caller.send(&request).await;
            there.head().await.unwrap();
        }
    }
}
