//! Streams pass piece by piece.

use bearerd::demo::mock::{Api, End, Kind, Mock, Received};

use crate::support::{Bearerd, Door, PATIENCE, Wire, call, client, get, outside};

async fn settled(mock: &Mock, what: &str, mut look: impl FnMut(&Received) -> bool) {
    let seen = mock.wait_for(|all| all.last().is_some_and(&mut look), PATIENCE).await;
    assert!(seen, "{what}: {:?}", mock.received().last());
}

async fn started(mock: &Mock) -> Bearerd {
    Bearerd::start(Door::open(mock).toml()).await
}

#[tokio::test]
async fn each_event_arrives_before_the_next_is_sent() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let mut wire = Wire::open(bearerd.address("open")).await;
    wire.send("GET /drip?hold HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let head = wire.until("\r\n\r\n").await;
    assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
    for piece in 1..=5 {
        wire.until(&format!("data: {piece}\n\n")).await;
        mock.open().release_piece();
    }
}

#[tokio::test]
async fn each_piece_of_a_request_is_forwarded_before_the_next_is_sent() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let mut wire = Wire::open(bearerd.address("open")).await;
    wire.send("POST /mirror HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for piece in ["first", "again", "third"] {
        wire.send(&format!("5\r\n{piece}\r\n")).await;
        wire.until(piece).await;
    }
    wire.send("0\r\n\r\n").await;
    wire.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn an_early_response_is_read() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let mut wire = Wire::open(bearerd.address("open")).await;
    wire.send("POST /early HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000000\r\n\r\nand so on").await;
    let answer = wire.until("no need to go on").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_disconnect_of_the_caller_ends_the_upstreams_work() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    for path in ["/slow-head", "/drip?hold"] {
        let mut wire = Wire::open(bearerd.address("open")).await;
        wire.send(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        settled(&mock, "it arrives", |last| last.target == path).await;
        drop(wire);
        settled(&mock, "it ends", |last| last.target == path && last.end == End::Cut).await;
    }
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_no_whole_answer() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    // The reset may overtake the head.
    if let Ok(answer) = client().get(bearerd.url("open", "/cut?n=100000")).send().await {
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.is_err());
    }
    assert_eq!(get(&bearerd.url("open", "/x")).await.status, 200);
}

#[tokio::test]
async fn a_caller_that_expects_100_gets_it_only_once_the_upstream_wants_the_body() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let head = "POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
    let mut wire = Wire::open(bearerd.address("open")).await;
    wire.send(head).await;
    assert!(wire.until("\r\n\r\n").await.starts_with("HTTP/1.1 100 "));
    wire.send("body").await;
    assert!(wire.until("\"text\":\"body\"").await.starts_with("HTTP/1.1 200 "));
    let mut wire = Wire::open(bearerd.address("open")).await;
    wire.send(&head.replace("/x", "/early")).await;
    let answer = wire.until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "refused with no body sent: {answer}");
}

#[tokio::test]
async fn a_repeat_sends_the_whole_body_again_and_one_too_long_is_not_repeated() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::Oauth).text("retry.body", "64KiB");
    let bearerd = Bearerd::start(door.toml()).await;
    bearerd.ready().await;
    let send = |length: usize| call(client().post(bearerd.url("oauth", "/x")).body(vec![b'x'; length]));
    mock.oauth().expire_tokens();
    let answer = send(65_536).await;
    assert_eq!((answer.status, &answer.json()["body"]["length"]), (200, &65_536.into()));
    mock.oauth().expire_tokens();
    assert_eq!(send(65_537).await.status, 401);
    // The token was replaced anyway.
    crate::support::eventually("the next is served", || async { send(65_537).await.status == 200 }).await;
    assert_eq!(mock.count(Api::Oauth, Kind::Login), 3);
}

#[tokio::test]
async fn an_upgrade_carries_bytes_both_ways_and_its_handshake_has_the_token() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let mut wire = Wire::open(bearerd.address("open")).await;
    wire.send(
        "GET /upgrade HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await;
    let head = wire.until("\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    for words in ["hello", "again"] {
        wire.send(words).await;
        wire.until(words).await;
    }
    let handshake = mock.received_by(Api::Open, Kind::Call).pop().unwrap();
    assert_eq!(handshake.header("authorization"), Some("Bearer canary-fixed-token-5d0c"));
}

#[tokio::test]
async fn another_upgrade_offer_is_dropped_and_the_request_served() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let request = "GET /x HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\n\
                   http2-settings: AAMAAABk\r\n\r\n";
    assert!(Wire::exchange(bearerd.address("open"), request).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(mock.received().last().unwrap().header("upgrade"), None);
}

#[tokio::test]
async fn an_idle_connection_that_the_upstream_closed_is_not_the_callers_trouble() {
    let mock = outside().await;
    let (bearerd, client) = (started(&mock).await, client());
    for _ in 0..20 {
        assert_eq!(call(client.get(bearerd.url("open", "/x"))).await.status, 200);
        mock.open().hang_up();
    }
    assert_eq!(mock.count(Api::Open, Kind::Call), 20);
}
