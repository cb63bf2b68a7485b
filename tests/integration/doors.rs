//! Two upstreams with one account share the token and nothing else.

use bearerd::demo::mock::{Api, Kind, LEGAL_ENTITY, LEGAL_ENTITY_ID};
use tokio::task::JoinSet;

use crate::support::{Bearerd, Door, call, client, outside};

#[tokio::test]
async fn two_doors_on_one_account_make_one_token_request_and_never_send_each_others_entity() {
    let mock = outside().await;
    let door = |name, entity| Door::to(&mock, Api::Younium).named(name).with("legal_entity", entity).toml();
    let bearerd = Bearerd::start(door("by-name", LEGAL_ENTITY) + &door("by-id", LEGAL_ENTITY_ID)).await;
    let (client, mut calls) = (client(), JoinSet::new());
    for turn in 0..1000 {
        let name = ["by-name", "by-id"][turn % 2];
        calls.spawn(call(client.get(bearerd.url(name, &format!("/{name}")))));
        if calls.len() == 50 {
            assert_eq!(calls.join_next().await.unwrap().unwrap().status, 200);
        }
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(mock.count(Api::Younium, Kind::Login), 1);
    let calls = mock.received_by(Api::Younium, Kind::Call);
    assert_eq!(calls.len(), 1000);
    for call in calls {
        let entity = if call.target == "/by-id" { LEGAL_ENTITY_ID } else { LEGAL_ENTITY };
        assert_eq!((call.header("legal-entity"), call.token), (Some(entity), Some(1)), "{}", call.target);
    }
}

#[tokio::test]
async fn another_secret_is_another_token() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::Younium);
    let other = door.clone().named("other").with("client_secret", "canary-wrong");
    let bearerd = Bearerd::start(door.toml() + &other.toml()).await;
    bearerd.in_state("younium", "fresh").await;
    bearerd.in_state("other", "rejected").await;
    assert_eq!(mock.count(Api::Younium, Kind::Login), 2);
}

#[tokio::test]
async fn upstreams_on_one_address_are_selected_by_host_and_then_by_path() {
    let mock = outside().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shared = |name: &str, key: &str, value: &str| {
        Door::open(&mock)
            .named(name)
            .text("listen", &format!("127.0.0.1:{port}"))
            .text(key, value)
            .text("headers.x-door", name)
    };
    let doors = [shared("a", "path", "/a"), shared("ab", "path", "/a/b"), shared("host", "host", "special.localhost")];
    let bearerd = Bearerd::start(doors.map(|door| door.toml()).concat()).await;
    let answer = |host: &str, path: &str| call(client().get(bearerd.url("a", path)).header("host", host.to_owned()));
    for (host, path, door, forwarded) in [
        ("localhost", "/a/x?q", "a", "/x?q"),
        ("localhost", "/a", "a", "/"),
        ("localhost", "/a/b/x", "ab", "/x"),
        ("special.localhost", "/a/b", "host", "/a/b"),
    ] {
        let echo = answer(host, path).await.json();
        let seen = echo["headers"].as_array().unwrap().iter().find(|pair| pair[0] == "x-door").unwrap()[1].clone();
        assert_eq!((seen, &echo["target"]), (door.into(), &forwarded.into()), "{host}{path}");
    }
    assert_eq!(answer("localhost", "/ab").await.code().as_deref(), Some("no-route"));
}
