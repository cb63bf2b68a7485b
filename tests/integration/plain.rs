//! The generic flows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bearerd::demo::mock::{Api, Kind, OAUTH, OAUTH_USER, Received};

use crate::support::{Bearerd, Door, call, client, get, outside};

const ID: &str = "demo+oauth+client";
const SECRET: &str = "canary-oauth%3Asecret%2B%25-72d9be";

fn sorted_form(login: &Received) -> Vec<(String, String)> {
    let mut form: Vec<_> = url::form_urlencoded::parse(&login.body).into_owned().collect();
    form.sort();
    form
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn oauth2_is_basic_of_the_form_encoded_pair_and_sends_no_empty_field() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::Oauth).with("scope", "a b").with("audience", "");
    let bearerd = Bearerd::start(door.toml()).await;
    assert_eq!(get(&bearerd.url("oauth", "/x")).await.json()["token"], 1);
    let login = &mock.received_by(Api::Oauth, Kind::Login)[0];
    let pair = STANDARD.encode(format!("{ID}:{SECRET}"));
    assert_eq!(login.header("authorization"), Some(&*format!("Basic {pair}")));
    assert_eq!(sorted_form(login), pairs(&[("grant_type", "client_credentials"), ("scope", "a b")]));
}

#[tokio::test]
async fn oauth2_post_puts_the_credentials_only_in_the_body() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::Oauth).text("flow", "oauth2-post");
    let bearerd = Bearerd::start(door.toml()).await;
    assert_eq!(get(&bearerd.url("oauth", "/x")).await.json()["token"], 1);
    let login = &mock.received_by(Api::Oauth, Kind::Login)[0];
    assert_eq!(login.header("authorization"), None);
    let fields = [("client_id", OAUTH.id), ("client_secret", OAUTH.secret), ("grant_type", "client_credentials")];
    assert_eq!(sorted_form(login), pairs(&fields));
}

#[tokio::test]
async fn oauth2_password_logs_in_once_and_continues_with_refresh_tokens() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::password(&mock).toml()).await;
    for token in 1..=3 {
        assert_eq!(get(&bearerd.url("oauth", "/x")).await.json()["token"], token);
        mock.oauth().expire_tokens();
    }
    let logins = mock.received_by(Api::Oauth, Kind::Login);
    let fields = [("grant_type", "password"), ("password", OAUTH_USER.secret), ("username", OAUTH_USER.id)];
    assert_eq!((logins.len(), sorted_form(&logins[0])), (1, pairs(&fields)));
    assert_eq!(mock.count(Api::Oauth, Kind::Refresh), 2);
}

#[tokio::test]
async fn flows_without_a_token_request_set_their_headers_on_every_call() {
    let mock = outside().await;
    let base = mock.open().url();
    let doors = [
        Door::open(&mock),
        Door::new("default-key", "api-key").text("url", &base).with("key", "canary-key-1"),
        Door::new("own-key", "api-key").text("url", &base).with("key", "canary-key-2").with("header", "X-Own"),
        Door::new("pair", "basic").text("url", &base).with("username", "u").with("password", "canary:p"),
    ];
    let bearerd = Bearerd::start(doors.map(|door| door.toml()).concat()).await;
    bearerd.ready().await;
    let basic = format!("Basic {}", STANDARD.encode("u:canary:p"));
    for (door, header, value) in [
        ("open", "authorization", "Bearer canary-fixed-token-5d0c"),
        ("default-key", "x-api-key", "canary-key-1"),
        ("own-key", "x-own", "canary-key-2"),
        ("pair", "authorization", &basic),
    ] {
        let request = client().get(bearerd.url(door, "/x")).header(header, "the caller's").bearer_auth("the caller's");
        assert_eq!(call(request).await.status, 200, "{door}");
        let call = mock.received_by(Api::Open, Kind::Call).pop().unwrap();
        let values: Vec<_> = call.headers.iter().filter(|(name, _)| name == header).collect();
        assert_eq!(values, [&(header.to_owned(), value.to_owned())], "{door}");
        let leaked = call.headers.iter().any(|(_, value)| value.contains("the caller's"));
        assert!(!leaked, "{door}: {:?}", call.headers);
    }
}
