//! Every row of the table of errors that bearerd returns itself, and no others.

use std::future::Future;

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock};
use tokio::net::TcpListener;

use crate::support::{Answer, Bearerd, Door, Wire, call, client, get, outside, problem};

fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").expect("Retry-After").parse().unwrap()
}

#[tokio::test]
async fn without_a_token_the_error_has_the_reason_and_retry_after() {
    for (behaviour, code) in [
        (Behaviour::Stall, "token-pending"),
        (Behaviour::Fail(500, Some("7")), "token-failing"),
        (Behaviour::Refuse(401), "token-rejected"),
    ] {
        let mock = outside().await;
        mock.younium().set(Kind::Login, behaviour);
        let door = Door::to(&mock, Api::Younium).text("timeouts.token_wait", "100ms");
        let bearerd = Bearerd::start(door.toml()).await;
        let state = [("token-failing", "expired"), ("token-rejected", "rejected")].iter().find(|one| one.0 == code);
        bearerd.in_state("younium", state.map_or("starting", |one| one.1)).await;
        let answer = get(&bearerd.url("younium", "/accounts")).await;
        problem(&answer, 503, code, "destination_unavailable", Some("younium"));
        let bound = if code == "token-failing" { 1..=7 } else { 1..=60 };
        assert!(bound.contains(&retry_after(&answer)), "{answer:?}");
        assert_eq!(mock.count(Api::Younium, Kind::Call), 0, "nothing is forwarded without a token");
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong_is_answered_here() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::open(&mock).text("path", "/api").toml()).await;
    let address = bearerd.address("open");
    let (own, none) = (Some("open"), None);
    for (request, status, code, kind, upstream) in [
        ("GET /api/x HTTP/1.1\r\nhost: evil.example", 403, "guard", "http_request_denied", own),
        ("GET /api/../x HTTP/1.1\r\nhost: localhost", 400, "bad-request", "http_request_error", own),
        ("GET /api/%2e%2E/x HTTP/1.1\r\nhost: localhost", 400, "bad-request", "http_request_error", own),
        ("GET /other HTTP/1.1\r\nhost: localhost", 404, "no-route", "destination_not_found", none),
        ("TRACE /api/x HTTP/1.1\r\nhost: localhost", 501, "unsupported", "http_request_denied", none),
        ("CONNECT x.example:443 HTTP/1.1\r\nhost: x.example:443", 501, "unsupported", "http_request_denied", none),
    ] {
        let text = Wire::exchange(address, &format!("{request}\r\nconnection: close\r\n\r\n")).await;
        let head = text.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{request}: {text}");
        let line = format!("\r\nproxy-status: bearerd; error={kind}; details=\"{code}\"");
        assert!(head.contains(&line), "{request}: {text}");
        assert!(head.contains("\r\ncontent-type: application/problem+json"), "{text}");
        let body: serde_json::Value = serde_json::from_str(&text[head.len() + 4..]).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()));
        if upstream.is_none() || code != "guard" {
            assert_eq!(body["upstream"].as_str(), upstream, "{request}");
        }
    }
    assert!(mock.received().is_empty());
}

async fn answer_of(url: &str, keys: &[(&str, &str)], path: &str) -> Answer {
    let door = Door::new("open", "bearer").text("url", url).with("token", "t");
    let door = keys.iter().fold(door, |door, (key, value)| door.text(key, value));
    let bearerd = Bearerd::start(door.toml()).await;
    bearerd.ready().await;
    get(&bearerd.url("open", path)).await
}

#[tokio::test]
async fn each_failure_of_an_upstream_has_its_own_code() {
    let mock = outside().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (api, silent) = (mock.open().url(), format!("https://{}", silent.local_addr().unwrap()));
    let (short, none): (&[_], &[_]) = (&[("timeouts.connect", "200ms"), ("timeouts.response", "200ms")], &[]);
    for (url, keys, path, status, code, kind) in [
        (format!("http://{closed}"), none, "/", 502, "upstream-unreachable", "connection_refused"),
        ("https://no-such-host.invalid".into(), none, "/", 502, "upstream-dns", "dns_error"),
        (api.replace("http:", "https:"), none, "/", 502, "upstream-tls", "tls_protocol_error"),
        (silent, short, "/", 504, "upstream-timeout", "connection_timeout"),
        (api, short, "/slow-head", 504, "upstream-timeout", "http_response_timeout"),
    ] {
        let answer = answer_of(&url, keys, path).await;
        problem(&answer, status, code, kind, Some("open"));
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_the_head_is_a_reset() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::open(&mock).toml()).await;
    for behaviour in [Behaviour::Close, Behaviour::Reset] {
        mock.open().set(Kind::Call, behaviour.clone());
        let answer = call(client().post(bearerd.url("open", "/x")).body("once")).await;
        problem(&answer, 502, "upstream-reset", "connection_terminated", Some("open"));
    }
    assert_eq!(mock.count(Api::Open, Kind::Call), 2, "a POST that may have been done is not sent again");
}

#[tokio::test]
async fn a_connection_beyond_the_limit_gets_busy_and_is_closed() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::open(&mock).toml() + "[limits]\nconnections = 1\n").await;
    let mut first = Wire::open(bearerd.address("open")).await;
    first.send("GET /x HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    first.until("\r\n\r\n").await;
    let second = Wire::exchange(bearerd.address("open"), "GET /x HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(second.starts_with("HTTP/1.1 503 "), "{second}");
    assert!(second.contains("bearerd; error=connection_limit_reached; details=\"busy\""), "{second}");
    assert!(second.contains("\"code\":\"busy\""), "{second}");
    drop(first);
    crate::support::eventually("free again", || async { get(&bearerd.url("open", "/x")).await.status == 200 }).await;
}

#[tokio::test]
async fn a_body_that_stops_coming_is_a_request_timeout() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::open(&mock).toml() + "[limits]\nbody_idle = \"200ms\"\n").await;
    let request = "POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nfive.";
    let answer = Wire::exchange(bearerd.address("open"), request).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("bearerd; error=http_request_error; details=\"request-timeout\""), "{answer}");
}

async fn each<F: Future<Output = ()>>(mock: &Mock, mut look: impl FnMut(String, u16) -> F) {
    let bearerd = Bearerd::start(Door::open(mock).toml()).await;
    for status in [400, 401, 403, 404, 408, 429, 500, 502, 503, 504] {
        look(bearerd.url("open", &format!("/status/{status}")), status).await;
    }
}

#[tokio::test]
async fn an_upstreams_own_error_passes_untouched() {
    let mock = outside().await;
    each(&mock, |url, status| async move {
        let answer = get(&url).await;
        assert_eq!((answer.status, answer.header("proxy-status"), answer.text()), (status, None, String::new()));
    })
    .await;
    let bearerd = Bearerd::start(Door::open(&mock).toml()).await;
    let theirs = "/headers?proxy-status=bearerd%3B%20error%3Dx&proxy-status=cdn%3B%20error%3Dy";
    let answer = get(&bearerd.url("open", theirs)).await;
    let members: Vec<_> = answer.headers.get_all("proxy-status").iter().collect();
    assert_eq!(members, ["cdn; error=y"], "only bearerd speaks for bearerd");
}
