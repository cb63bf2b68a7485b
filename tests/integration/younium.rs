//! Younium: JSON logins in two versions with different field names, and its own headers.

use bearerd::demo::mock::{Api, Behaviour, Kind, LEGAL_ENTITY, Mock, Said, YOUNIUM};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::{Bearerd, Door, Wire, call, client, get, outside, problem};

const BOTH: [Api; 2] = [Api::Younium, Api::YouniumV1];

fn last_call(mock: &Mock) -> bearerd::demo::mock::Received {
    mock.received_by(Api::Younium, Kind::Call).pop().unwrap()
}

#[tokio::test]
async fn the_login_is_the_json_that_the_vendor_documents_for_either_version() {
    let mock = outside().await;
    let doors = BOTH.map(|api| Door::to(&mock, api).toml()).concat();
    let bearerd = Bearerd::start(doors).await;
    for (api, path) in BOTH.into_iter().zip(["/auth/v2/token", "/auth/token"]) {
        let answer = get(&bearerd.url(api.name(), "/accounts")).await;
        assert_eq!(answer.json()["totalCount"], 2, "{api:?}");
        let logins = mock.received_by(api, Kind::Login);
        assert_eq!(logins.len(), 1);
        assert_eq!((&*logins[0].method, &*logins[0].target), ("POST", path));
        assert_eq!(logins[0].header("content-type"), Some("application/json"));
        assert_eq!(logins[0].header("authorization"), None);
        let (id, secret) = (api.credentials().id, api.credentials().secret);
        let body: Value = serde_json::from_slice(&logins[0].body).unwrap();
        assert_eq!(body, json!({ "clientId": id, "secret": secret }));
        let calls = mock.received_by(api, Kind::Call);
        assert_eq!((calls.len(), calls[0].token), (1, Some(1)));
        assert_eq!(calls[0].header("api-version"), Some("2.1"));
        assert_eq!(calls[0].header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_reply_in_the_other_versions_shape_fails_loudly() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::YouniumV1);
    mock.younium_v1().set(Kind::Login, Behaviour::json(200, &json!({ "access_token": "canary-v2", "expires_in": 60 })));
    let bearerd = Bearerd::start(door.toml()).await;
    bearerd.in_state("younium-v1", "expired").await;
    let answer = get(&bearerd.url("younium-v1", "/accounts")).await;
    problem(&answer, 503, "token-failing", "destination_unavailable", Some("younium-v1"));
    bearerd.log().says("/accessToken").await;
    assert_eq!(mock.count(Api::YouniumV1, Kind::Call), 0);
    assert_eq!(bearerd.log().count("canary-v2"), 0);
}

#[tokio::test]
async fn a_date_with_the_wrong_weekday_is_the_tokens_end() {
    let mock = outside().await;
    mock.younium().says(Said::DateOnly);
    let bearerd = Bearerd::start(Door::to(&mock, Api::Younium).toml()).await;
    bearerd.ready().await;
    assert_eq!(get(&bearerd.url("younium", "/accounts")).await.status, 200);
    let left = bearerd.status_of("younium").await["token"]["life_left_seconds"].as_u64().unwrap();
    assert!((86_300..=86_400).contains(&left), "{left}");
}

#[tokio::test]
async fn the_doors_legal_entity_replaces_the_callers_and_an_empty_one_sets_nothing() {
    let mock = outside().await;
    let set = Door::to(&mock, Api::Younium).named("set").with("legal_entity", LEGAL_ENTITY);
    let empty = Door::to(&mock, Api::Younium).named("empty").with("legal_entity", "");
    let bearerd = Bearerd::start(set.toml() + &empty.toml()).await;
    let asked = |door: &str| client().get(bearerd.url(door, "/accounts")).header("legal-entity", "Nobody");
    assert_eq!(call(asked("set")).await.status, 200);
    assert_eq!(last_call(&mock).header("legal-entity"), Some(LEGAL_ENTITY));
    get(&bearerd.url("empty", "/accounts")).await;
    assert_eq!(last_call(&mock).header("legal-entity"), None);
    assert_eq!(call(asked("empty")).await.status, 403);
    assert_eq!(last_call(&mock).header("legal-entity"), Some("Nobody"));
}

#[tokio::test]
async fn a_403_passes_without_a_token_request() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Younium).toml()).await;
    bearerd.ready().await;
    let request = client().post(bearerd.url("younium", "/orders")).header("legal-entity", "Nobody").body("{}");
    let answer = call(request).await;
    assert_eq!((answer.status, answer.code()), (403, None));
    assert_eq!(answer.json(), json!({ "errors": ["The legal entity was not found."] }));
    assert_eq!((mock.count(Api::Younium, Kind::Login), mock.count(Api::Younium, Kind::Call)), (1, 1));
}

#[tokio::test]
async fn a_401_costs_one_token_request_and_one_repeat() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Younium).toml()).await;
    bearerd.ready().await;
    mock.younium().expire_tokens();
    let answer = call(client().post(bearerd.url("younium", "/orders")).body(r#"{"n":1}"#)).await;
    assert_eq!((answer.status, &answer.json()["body"]["text"]), (200, &json!(r#"{"n":1}"#)));
    assert_eq!(mock.count(Api::Younium, Kind::Login), 2);
    let calls = mock.received_by(Api::Younium, Kind::Call);
    let seen: Vec<_> = calls.iter().map(|call| (call.token, call.status, call.text())).collect();
    let body = r#"{"n":1}"#.to_owned();
    assert_eq!(seen, [(Some(1), Some(401), body.clone()), (Some(2), Some(200), body)]);
}

#[tokio::test]
async fn both_formats_of_a_refusal_are_logged_without_the_secret() {
    let mock = outside().await;
    for api in BOTH {
        mock.vendor(api).accept_secret("changed");
        let bearerd = Bearerd::start(Door::to(&mock, api).toml()).await;
        bearerd.in_state(api.name(), "rejected").await;
        bearerd.log().says("Invalid client id or secret.").await;
        assert_eq!(bearerd.log().count(api.credentials().secret), 0);
    }
}

#[tokio::test]
async fn each_environment_has_its_base_for_logins_and_calls() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (env, host) in [
        ("production", "api.younium.com"),
        ("sandbox", "api.sandbox.younium.com"),
        ("us", "api.us.younium.com"),
        ("us-sandbox", "api.sandbox.us.younium.com"),
    ] {
        let door = Door::new("younium", "younium").text("env", env).with("client_id", YOUNIUM.id);
        let door = door.with("client_secret", YOUNIUM.secret);
        let door = door.text("proxy", &format!("http://{}", proxy.local_addr().unwrap()));
        let bearerd = Bearerd::start(door.toml()).await;
        let mut tunnel = Wire(proxy.accept().await.unwrap().0);
        let asked = tunnel.until("\r\n\r\n").await;
        assert!(asked.starts_with(&format!("CONNECT {host}:443 HTTP/1.1\r\n")), "{env}: {asked}");
        tunnel.0.shutdown().await.unwrap();
        assert_eq!(bearerd.status_of("younium").await["url"], format!("https://{host}"));
    }
}
