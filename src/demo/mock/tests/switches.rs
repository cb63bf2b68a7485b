use std::time::Duration;

use serde_json::json;

use super::super::{Behaviour, Canned, Kind, Said, Vendor, YOUNIUM};
use super::{Got, Method, SOON, World, got};

fn request(world: &World, vendor: &Vendor, secret: &str) -> reqwest::RequestBuilder {
    let body = json!({ "clientId": YOUNIUM.id, "secret": secret }).to_string();
    world.request(Method::POST, &vendor.token_url(), &[("content-type", "application/json")]).body(body)
}

async fn login(world: &World) -> Got {
    got(request(world, world.mock.younium(), YOUNIUM.secret)).await
}

#[tokio::test]
async fn refusals_have_the_vendors_format() {
    let world = World::new().await;
    for status in [400, 401, 403] {
        world.mock.younium().set(Kind::Login, Behaviour::Refuse(status));
        let got = login(&world).await;
        assert_eq!(got.status, status);
        assert!(got.json()["errors"][0].is_string());
    }
}

#[tokio::test]
async fn failures_come_as_set_and_queued_ones_come_first() {
    let world = World::new().await;
    let younium = world.mock.younium();
    younium.set(Kind::Login, Behaviour::Fail(503, None));
    younium.next(Kind::Login, Behaviour::Fail(429, Some("7")));
    younium.next(Kind::Login, Behaviour::Serve);
    let busy = login(&world).await;
    assert_eq!((busy.status, busy.headers["retry-after"].to_str().unwrap()), (429, "7"));
    assert_eq!(login(&world).await.status, 200);
    assert_eq!(login(&world).await.status, 503);
    younium.set(Kind::Login, Behaviour::Redirect("http://127.0.0.1:1/x".to_owned()));
    let away = login(&world).await;
    assert_eq!((away.status, away.headers["location"].to_str().unwrap()), (307, "http://127.0.0.1:1/x"));
}

#[tokio::test]
async fn every_kind_of_bad_reply_can_be_set() {
    let world = World::new().await;
    let younium = world.mock.younium();
    younium.next(Kind::Login, Behaviour::Garbage);
    younium.next(Kind::Login, Behaviour::ErrorInside);
    younium.next(Kind::Login, Behaviour::Huge);
    let [garbage, error, huge] = [login(&world).await, login(&world).await, login(&world).await];
    assert_eq!((garbage.status, error.status, huge.status), (200, 200, 200));
    assert!(serde_json::from_slice::<serde_json::Value>(&garbage.body).is_err());
    assert!(error.json()["errors"][0].is_string());
    assert!(huge.body.len() > 8 << 20);
}

#[tokio::test]
async fn a_stalled_request_continues_when_released() {
    let world = World::new().await;
    let younium = world.mock.younium();
    for queued in [false, true] {
        world.mock.forget();
        if queued {
            younium.next(Kind::Login, Behaviour::Stall)
        } else {
            younium.set(Kind::Login, Behaviour::Stall)
        }
        let released = async {
            assert!(world.mock.wait_for(|log| log.len() == 1, SOON).await);
            assert_eq!(world.mock.received()[0].status, None);
            younium.release(Kind::Login);
        };
        assert_eq!(tokio::join!(login(&world), released).0.status, 200, "queued: {queued}");
    }
}

#[tokio::test]
async fn a_stalled_request_meets_what_is_set_next() {
    let world = World::new().await;
    let younium = world.mock.younium();
    younium.set(Kind::Login, Behaviour::Stall);
    let turned = async {
        assert!(world.mock.wait_for(|log| log.len() == 1, SOON).await);
        younium.set(Kind::Login, Behaviour::Refuse(401));
    };
    assert_eq!(tokio::join!(login(&world), turned).0.status, 401);
}

#[tokio::test]
async fn a_connection_is_closed_or_reset_without_an_answer() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::new().await;
    let open = world.mock.open();
    for (behaviour, ends_with_reset) in [(Behaviour::Close, false), (Behaviour::Reset, true)] {
        open.next(Kind::Call, behaviour.clone());
        let mut stream = tokio::net::TcpStream::connect(open.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let read = stream.read(&mut [0; 64]).await.map_err(|error| error.kind());
        let expected = if ends_with_reset { Err(std::io::ErrorKind::ConnectionReset) } else { Ok(0) };
        assert_eq!(read, expected, "{behaviour:?}");
    }
}

#[tokio::test]
async fn an_api_can_reject_every_token() {
    let world = World::new().await;
    let younium = world.mock.younium();
    let token = login(&world).await.text("/access_token");
    younium.set(Kind::Call, Behaviour::Refuse(401));
    assert_eq!(world.call(younium, "/accounts", &token).await.status, 401);
    assert_eq!(login(&world).await.status, 200, "the token endpoint is another matter");
    younium.set(Kind::Call, Behaviour::Serve);
    assert_eq!(world.call(younium, "/accounts", &token).await.status, 200);
    younium.accept_token("static");
    assert_eq!(world.call(younium, "/accounts", "static").await.status, 200);
}

#[tokio::test]
async fn replies_state_the_lifetime_that_was_set() {
    let world = World::new().await;
    let younium = world.mock.younium();
    younium.lives(Duration::from_secs(60));
    assert_eq!(login(&world).await.json()["expires_in"], 60);
    for odd in [json!("60"), json!(""), json!(59.5), json!(60_000)] {
        younium.says(Said::Instead(odd.clone()));
        assert_eq!(login(&world).await.json()["expires_in"], odd);
    }
    younium.says(Said::Nothing);
    let silent = login(&world).await;
    assert!(silent.json().get("expires_in").is_none() && silent.json().get("expires").is_none());
    let token = silent.text("/access_token");
    world.clock.advance(60);
    assert_eq!(world.call(younium, "/accounts", &token).await.status, 401, "the true life stays");
    younium.jwt(false);
    assert!(!login(&world).await.text("/access_token").contains('.'));
}

#[tokio::test]
async fn a_changed_secret_is_the_only_one_accepted() {
    let world = World::new().await;
    let younium = world.mock.younium();
    younium.accept_secret("another");
    assert_eq!(login(&world).await.status, 401);
    assert_eq!(got(request(&world, younium, "another")).await.status, 200);
    assert!(younium.secrets().contains(&"another".to_owned()));
}

#[tokio::test]
async fn a_hasty_refusal_does_not_wait_for_the_body() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::new().await;
    world.mock.younium().hasty(true);
    let mut stream = tokio::net::TcpStream::connect(world.mock.younium().address()).await.unwrap();
    stream.write_all(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\npart").await.unwrap();
    let mut start = [0; 12];
    tokio::time::timeout(SOON, stream.read_exact(&mut start)).await.unwrap().unwrap();
    assert_eq!(&start, b"HTTP/1.1 401");
}

#[tokio::test]
async fn any_answer_can_be_laid_down_beforehand() {
    let world = World::new().await;
    let younium = world.mock.younium();
    younium.next(Kind::Login, Behaviour::json(200, &json!({ "errcode": 40_001 })));
    let headers = vec![("content-type", "text/plain".to_owned()), ("x-subject-token", "abc".to_owned())];
    younium.next(Kind::Login, Behaviour::Reply(Canned { status: 202, headers, body: "plain".to_owned() }));
    assert_eq!(login(&world).await.json()["errcode"], 40_001);
    let plain = login(&world).await;
    assert_eq!((plain.status, &*plain.body), (202, &b"plain"[..]));
    assert_eq!(plain.headers["content-type"], "text/plain");
    assert_eq!(plain.headers["x-subject-token"], "abc");
}

#[tokio::test]
async fn the_same_token_can_be_given_again_with_less_life() {
    let world = World::new().await;
    world.mock.younium().repeats(true);
    let first = login(&world).await;
    world.clock.advance(80_000);
    let again = login(&world).await;
    assert_eq!(again.text("/access_token"), first.text("/access_token"));
    assert_eq!(again.json()["expires_in"], 6_400);
    world.clock.advance(6_400);
    assert_ne!(login(&world).await.text("/access_token"), first.text("/access_token"));
}

#[tokio::test]
async fn a_new_token_can_end_the_old_one() {
    let world = World::new().await;
    let younium = world.mock.younium();
    younium.exclusive(true);
    let [old, new] = [login(&world).await, login(&world).await].map(|got| got.text("/access_token"));
    assert_eq!(world.call(younium, "/accounts", &old).await.status, 401);
    assert_eq!(world.call(younium, "/accounts", &new).await.status, 200);
}

#[tokio::test]
async fn the_vendors_clock_can_be_off() {
    let world = World::new().await;
    let date = |got: &Got| got.headers["date"].to_str().unwrap().to_owned();
    assert_eq!(date(&login(&world).await), "Tue, 21 Sep 2027 12:00:00 GMT");
    world.mock.younium().clock_is_off(Duration::ZERO, Duration::from_secs(3600));
    let got = login(&world).await;
    assert_eq!(date(&got), "Tue, 21 Sep 2027 11:00:00 GMT");
    assert_eq!(got.text("/expires"), "Thu, 22 Sep 2027 11:00:00 GMT");
    world.clock.advance(86_399);
    assert_eq!(world.call(world.mock.younium(), "/accounts", &got.text("/access_token")).await.status, 200);
}

#[tokio::test]
async fn hanging_up_ends_idle_connections() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::new().await;
    let mut stream = tokio::net::TcpStream::connect(world.mock.open().address()).await.unwrap();
    stream.write_all(b"GET /status/204 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 12]).await.unwrap();
    world.mock.open().hang_up();
    let mut rest = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
}
