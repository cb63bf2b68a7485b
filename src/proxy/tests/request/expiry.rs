//! The repeat after a rejected token.

use super::scene::{SIGNATURE, Setting};
use super::wire::*;
use crate::record::Replay;
use crate::token::source::{MintError, Outcome};

/// Accepts every token but the first.
fn requires_second_token(request: &WireMessage) -> String {
    match request.header("authorization") {
        Some("Bearer g1") => response_with(401, "old"),
        Some(_) => response_with(200, &request.text()),
        None => response_with(500, "no token"),
    }
}

fn post(body: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_rejected_token_is_replaced_and_the_request_repeated() {
    let api = Api::start(requires_second_token).await;
    let scene = Setting::to(api.address).start();
    let response = scene.ask(post("the body")).await;
    assert_eq!((response.status(), response.text().as_str()), (200, "the body"));
    let tokens: Vec<_> = api.seen().iter().map(|request| request.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["Bearer g1", "Bearer g2"]);
    assert!(
        api.seen().iter().all(|request| request.text() == "the body" && request.header("content-length") == Some("8"))
    );
    assert_eq!(scene.get("/again").await.status(), 200);
    assert_eq!((api.seen().len(), scene.source.count()), (3, 2));
    eventually("the repeat is counted", || scene.record.replays(Replay::Accepted) == 1).await;
}

#[tokio::test]
async fn each_attempt_is_signed_with_its_own_token() {
    let api = Api::start(requires_second_token).await;
    let mut setting = Setting::to(api.address);
    setting.signs = true;
    setting.owned.headers.push(SIGNATURE.parse().unwrap());
    let scene = setting.start();
    let response = scene.ask("GET /a?b HTTP/1.1\r\nHost: localhost\r\nX-Signature: evil\r\n\r\n").await;
    assert_eq!(response.status(), 200);
    let signed = |request: &WireMessage| {
        request.headers.get_all(SIGNATURE).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
    };
    let signatures: Vec<Vec<String>> = api.seen().iter().map(signed).collect();
    assert_eq!(signatures, [["g1 GET /a?b"], ["g2 GET /a?b"]]);
}

#[tokio::test]
async fn a_chunked_body_is_repeated_too() {
    let api = Api::start(requires_second_token).await;
    let scene = Setting::to(api.address).start();
    let response = scene
        .ask(
            "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!((response.status(), response.text().as_str()), (200, "abcde"));
    assert_eq!(api.seen().len(), 2);
}

#[tokio::test]
async fn a_body_too_large_to_keep_is_not_repeated_but_the_token_is_replaced() {
    let api = Api::start(requires_second_token).await;
    for chunked in [false, true] {
        let mut setting = Setting::to(api.address);
        setting.upstream.retry.body = 4;
        let scene = setting.start();
        let request = if chunked {
            "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
                .to_owned()
        } else {
            post("abcde")
        };
        let response = scene.ask(request).await;
        assert_eq!((response.status(), response.text().as_str()), (401, "old"));
        assert_eq!(response.header("proxy-status"), None);
        eventually("a new token", || scene.source.count() == 2).await;
        eventually("the new token is in use", || scene.record.replays(Replay::NotRepeatable) == 1).await;
    }
}

#[tokio::test]
async fn kept_bodies_are_limited_over_all_requests() {
    let api = Api::start(requires_second_token).await;
    let mut setting = Setting::to(api.address);
    setting.limits.replay_total = 4;
    let scene = setting.start();
    assert_eq!(scene.ask(post("abcde")).await.status(), 401);
    eventually("a new token", || scene.source.count() == 2).await;
}

#[tokio::test]
async fn a_post_is_not_repeated_if_only_idempotent_methods_may_be() {
    let api = Api::start(requires_second_token).await;
    for (method, status) in [("POST", 401), ("PATCH", 401), ("PUT", 200), ("GET", 200)] {
        let mut setting = Setting::to(api.address);
        setting.upstream.retry.idempotent_only = true;
        let scene = setting.start();
        let response = scene.ask(format!("{method} /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")).await;
        assert_eq!(response.status(), status, "{method}");
    }
}

#[tokio::test]
async fn without_another_token_the_apis_response_is_passed_on() {
    let api = Api::start(|_| response_with(401, "the API's own words")).await;
    let mut setting = Setting::to(api.address);
    setting.mint = |number| {
        let message = "refused".to_owned();
        let refused = MintError::new(Outcome::Rejected, message);
        (number > 1).then_some(refused)
    };
    let scene = setting.start();
    let response = scene.get("/").await;
    assert_eq!((response.status(), response.text().as_str()), (401, "the API's own words"));
    assert_eq!((response.header("proxy-status"), api.seen().len()), (None, 1));
    eventually("it is counted", || scene.record.replays(Replay::NoToken) == 1).await;
}

#[tokio::test]
async fn a_second_rejection_is_passed_on() {
    let api = Api::start(|request| response_with(401, request.header("authorization").unwrap())).await;
    let scene = Setting::to(api.address).start();
    let response = scene.get("/").await;
    assert_eq!((response.status(), response.text().as_str()), (401, "Bearer g2"));
    assert_eq!(api.seen().len(), 2);
    eventually("it is counted", || scene.record.replays(Replay::Rejected) == 1).await;
}

#[tokio::test]
async fn a_body_may_say_that_the_token_has_expired_and_passes_unchanged_otherwise() {
    let api = Api::start(|request| {
        let code = if request.header("authorization") == Some("Bearer g1") { "expired" } else { "fine" };
        let body = format!("{{\"code\": \"{code}\"}}");
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    })
    .await;
    let mut setting = Setting::to(api.address);
    setting.bodies = true;
    let scene = setting.start();
    let response = scene.get("/").await;
    assert_eq!((response.status(), response.text().as_str()), (200, "{\"code\": \"fine\"}"));
    assert_eq!(response.header("content-length"), Some("16"));
    assert_eq!((api.seen().len(), api.last().header("accept-encoding")), (2, Some("identity")));
}

/// Starts an API that responds to the first token with `stale` and to others with `{}`, both after this head and with a length.
async fn expires_in_its_body(head: &'static str, stale: impl Into<Vec<u8>>) -> (WireMessage, usize) {
    let stale = stale.into();
    let api = Api::start(move |request| {
        let body = if request.header("authorization") == Some("Bearer g1") { &stale[..] } else { b"{}" };
        [format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
    })
    .await;
    let mut setting = Setting::to(api.address);
    setting.bodies = true;
    let response = setting.start().get("/").await;
    (response, api.seen().len())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_body_is_inspected_by_its_content_regardless_of_its_headers() {
    const STALE: &[u8] = b" {\"code\": \"expired\"}";
    for head in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
        "Content-Type: application/javascript\r\n",
        "Content-Type: application/octet-stream\r\n",
        "Content-Type: \u{e9}\r\n",
    ] {
        let (response, calls) = expires_in_its_body(head, STALE).await;
        assert_eq!((response.text().as_str(), calls), ("{}", 2), "{head}");
        let (_, calls) = expires_in_its_body(head, gzip(STALE)).await;
        assert_eq!(calls, 2, "gzip without a label: {head}");
        let (_, calls) = expires_in_its_body(head, [b"\xef\xbb\xbf", STALE].concat()).await;
        assert_eq!(calls, 2, "byte order mark: {head}");
    }
    let (_, calls) = expires_in_its_body("Content-Encoding: gzip\r\n", gzip(STALE)).await;
    assert_eq!(calls, 2);
    let (response, calls) =
        expires_in_its_body("Content-Type: application/json\r\n", &b"<p>{\"code\": \"expired\"}"[..]).await;
    assert_eq!((response.text().as_str(), calls), ("<p>{\"code\": \"expired\"}", 1));
    let long = [STALE, &[b' '; 64 << 10]].concat();
    assert_eq!(expires_in_its_body("", long).await.1, 1, "a long body is not looked at");
}

/// A scene that inspects bodies, with its first request sent and accepted by the API.
pub(super) async fn incoming(setting: impl FnOnce(&mut Setting)) -> (super::scene::Scene, ManualApi, Caller, Caller) {
    let (api, address) = ManualApi::start().await;
    let mut scene = Setting::to(address);
    scene.bodies = true;
    setting(&mut scene);
    let scene = scene.start();
    let mut caller = scene.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    (scene, api, caller, there)
}

#[tokio::test]
async fn a_body_of_known_length_is_waited_for() {
    let (_scene, _api, mut caller, mut there) = incoming(|_| ()).await;
    there.send("HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n").await;
    // Longer than the inspection of a body of unknown length may take.
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    there.send("{\"code\": \"expired\"").await;
    there.send("}").await;
    let again = there.head().await.unwrap();
    assert_eq!(again.header("authorization"), Some("Bearer g2"));
    there.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    assert_eq!(caller.response().await.text(), "{}");
}

#[tokio::test]
async fn an_unfinished_body_is_passed_on_as_far_as_it_has_arrived() {
    let hasty = |setting: &mut Setting| setting.upstream.timeouts.response = std::time::Duration::from_millis(100);
    let (_scene, _api, mut caller, mut there) = incoming(hasty).await;
    there.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\"").await;
    assert_eq!(caller.head().await.unwrap().header("content-length"), Some("9"));
    there.send(": 12}").await;
    assert_eq!(caller.exactly(9).await.unwrap(), b"{\"a\": 12}");

    let (_scene, _api, mut caller, mut there) = incoming(|_| ()).await;
    there.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(caller.head().await.unwrap().status(), 200);
    there.send("3\r\nabc\r\n0\r\n\r\n").await;
    assert_eq!(caller.chunk().await.unwrap().unwrap(), b"abc");
}

#[tokio::test]
async fn a_body_that_does_not_begin_as_json_is_passed_on_at_once() {
    let (_scene, _api, mut caller, mut there) = incoming(|_| ()).await;
    there.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<p>").await;
    assert_eq!(caller.head().await.unwrap().status(), 200);
    assert_eq!(caller.exactly(3).await.unwrap(), b"<p>");
}
