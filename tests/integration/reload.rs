//! A reload while tokens are valid: the old configuration's token stays in use until the new one works.

use std::path::Path;

use bearerd::demo::mock::{Api, Behaviour, Kind, LEGAL_ENTITY, LEGAL_ENTITY_ID, Mock, YOUNIUM};

use super::rotation::Load;
use crate::support::{Answer, Bearerd, Door, call, client, event, eventually, get, outside, post};

async fn started(door: &Door) -> Bearerd {
    let bearerd = Bearerd::start(door.toml()).await;
    bearerd.ready().await;
    bearerd
}

/// The token number of a successful call.
async fn token(bearerd: &Bearerd) -> u64 {
    let answer = get(&bearerd.url("younium", "/echo")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["token"].as_u64().unwrap()
}

fn detail(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["detail"].as_str().unwrap().to_owned()
}

async fn is_told(bearerd: &Bearerd) {
    bearerd.in_state("younium", "degraded").await;
    let error = bearerd.status_of("younium").await["last_error"].to_string();
    assert!(error.contains("the old one stays in use"), "{error}");
    let warned = |line: &str| line.contains("WARN") && line.contains("the old one stays in use");
    bearerd.log().wait_for("a warning", |line| warned(line).then_some(())).await;
}

#[tokio::test]
async fn a_wrong_secret_never_discards_the_token_and_the_next_one_is_tried_at_once() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::Younium);
    let bearerd = started(&door).await;
    let load = Load::start(&bearerd.url("younium", "/echo"));
    let answer = bearerd.reload(door.clone().with("client_secret", "canary-wrong").toml()).await;
    assert!(detail(&answer).contains("trying the changed credentials of younium first"), "{answer:?}");
    is_told(&bearerd).await;
    assert_eq!(token(&bearerd).await, 1);
    load.end().await;
    // The same again: the hold applies.
    bearerd.reload(door.clone().with("client_secret", "canary-wrong").toml()).await;
    mock.younium().accept_secret("canary-third");
    bearerd.reload(door.clone().with("client_secret", "canary-third").toml()).await;
    eventually("the second token is used", || async { token(&bearerd).await == 2 }).await;
    assert_eq!(mock.count(Api::Younium, Kind::Login), 3);
    bearerd.in_state("younium", "fresh").await;
}

#[tokio::test]
async fn a_signal_after_a_wrong_secret_was_written_to_a_file_keeps_the_token() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let secret = directory.path().join("secret");
    std::fs::write(&secret, YOUNIUM.secret).unwrap();
    let bearerd = started(&Door::to(&mock, Api::Younium).file("client_secret", &secret)).await;
    let load = Load::start(&bearerd.url("younium", "/echo"));
    std::fs::write(&secret, "canary-wrong").unwrap();
    bearerd.signal("HUP");
    is_told(&bearerd).await;
    load.end().await;
    assert_eq!(token(&bearerd).await, 1);
    // With the old secret restored, there is nothing to try.
    std::fs::write(&secret, YOUNIUM.secret).unwrap();
    bearerd.signal("HUP");
    bearerd.in_state("younium", "fresh").await;
    assert_eq!((token(&bearerd).await, mock.count(Api::Younium, Kind::Login)), (1, 2));
}

#[tokio::test]
async fn an_unreachable_token_url_keeps_the_token() {
    let mock = outside().await;
    let vendor = mock.oauth();
    let door = Door::to(&mock, Api::Oauth).named("younium");
    let bearerd = started(&door).await;
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    detail(&bearerd.reload(door.clone().with("token_url", &format!("http://{dead}/token")).toml()).await);
    is_told(&bearerd).await;
    assert_eq!(get(&bearerd.url("younium", "/echo")).await.status, 200);
    assert_eq!(get(&bearerd.admin_url("/readyz")).await.status, 200);
    // A hanging endpoint is reported before its attempt ends.
    vendor.set(Kind::Login, Behaviour::Stall);
    detail(&bearerd.reload(door.with("client_secret", "canary-other").toml()).await);
    let silent =
        |line: &str| (line.contains("WARN") && line.contains("no answer from the token endpoint for")).then_some(());
    bearerd.log().wait_for("a warning", silent).await;
    assert_eq!(get(&bearerd.url("younium", "/echo")).await.status, 200);
}

#[tokio::test]
async fn a_changed_file_that_makes_no_token_is_used_at_once_without_a_token_request() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::Younium).with("legal_entity", LEGAL_ENTITY);
    let bearerd = started(&door).await;
    detail(&bearerd.reload(door.with("legal_entity", LEGAL_ENTITY_ID).text("headers.x-new", "1").toml()).await);
    get(&bearerd.url("younium", "/echo")).await;
    let calls = mock.received_by(Api::Younium, Kind::Call);
    let call = calls.last().unwrap();
    assert_eq!((call.header("legal-entity"), call.header("x-new")), (Some(LEGAL_ENTITY_ID), Some("1")));
    assert_eq!(mock.count(Api::Younium, Kind::Login), 1);
}

#[tokio::test]
async fn another_api_gets_neither_the_old_token_nor_does_the_old_api_get_its_headers() {
    let (mock, other) = (outside().await, outside().await);
    let door = Door::to(&mock, Api::Younium);
    let bearerd = started(&door).await;
    let moved = Door::to(&other, Api::Younium).text("headers.x-key", "canary-of-the-new-api");
    let moved = moved.key("access.methods", "[\"GET\"]").with("client_secret", "canary-wrong");
    detail(&bearerd.reload(moved.toml()).await);
    is_told(&bearerd).await;
    assert_eq!(token(&bearerd).await, 1);
    // New access rules apply at once.
    assert_eq!(call(client().post(bearerd.url("younium", "/echo"))).await.status, 403);
    assert_eq!(other.count(Api::Younium, Kind::Call), 0);
    other.younium().accept_secret("canary-now-right");
    detail(&bearerd.reload(moved.with("client_secret", "canary-now-right").toml()).await);
    eventually("the other API is called", || async {
        get(&bearerd.url("younium", "/echo")).await;
        other.count(Api::Younium, Kind::Call) > 0
    })
    .await;
    let with_key = |mock: &Mock| {
        let calls = mock.received_by(Api::Younium, Kind::Call);
        calls.iter().filter(|call| call.header("x-key").is_some()).count() as u64
    };
    assert_eq!(with_key(&mock), 0);
    assert_eq!(with_key(&other), other.count(Api::Younium, Kind::Call));
}

#[tokio::test]
async fn two_doors_on_one_account_try_its_new_secret_once() {
    let mock = outside().await;
    let doors = |secret: &str| {
        let door = Door::to(&mock, Api::Younium).with("client_secret", secret);
        door.toml() + &door.clone().named("other").toml()
    };
    let bearerd = Bearerd::start(doors(YOUNIUM.secret)).await;
    bearerd.ready().await;
    mock.younium().accept_secret("canary-second");
    detail(&bearerd.reload(doors("canary-second")).await);
    for name in ["younium", "other"] {
        let url = bearerd.url(name, "/echo");
        eventually("the second token is used", || async { get(&url).await.json()["token"] == 2 }).await;
    }
    assert_eq!(mock.count(Api::Younium, Kind::Login), 2);
}

#[tokio::test]
async fn a_candidate_is_dropped_with_its_upstream_and_a_bad_configuration_changes_nothing() {
    let mock = outside().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (door, open) = (Door::to(&mock, Api::Younium).text("listen", &port.to_string()), Door::open(&mock));
    let bearerd = Bearerd::start(door.toml() + &open.toml()).await;
    bearerd.ready().await;
    let wrong = door.clone().with("client_secret", "canary-wrong");
    detail(&bearerd.reload(wrong.toml() + &open.toml()).await);
    is_told(&bearerd).await;
    let answer = bearerd.reload(wrong.toml() + "flow = 1").await;
    assert_eq!(answer.status, 422, "{answer:?}");
    is_told(&bearerd).await;
    assert_eq!((token(&bearerd).await, get(&bearerd.url("open", "/")).await.status), (1, 200));
    detail(&bearerd.reload(open.toml()).await);
    assert_eq!(bearerd.status().await["upstreams"].as_array().unwrap().len(), 1);
    detail(&bearerd.reload(door.toml() + &open.toml()).await);
    assert_eq!(token(&bearerd).await, 1);
}

#[tokio::test]
async fn an_upstream_without_a_token_uses_the_new_secret_at_once() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::Younium);
    let bearerd = Bearerd::start(door.clone().with("client_secret", "canary-wrong").toml()).await;
    bearerd.in_state("younium", "rejected").await;
    detail(&bearerd.reload(door.toml()).await);
    // No call fails in between: it waits for the token.
    assert_eq!(token(&bearerd).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_reloads_under_load_fail_no_call_and_refuse_no_connection() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::Younium);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = |host: &str, turn: usize| {
        let secret = if turn.is_multiple_of(3) { "canary-wrong" } else { YOUNIUM.secret };
        let door = door.clone().text("listen", &format!("{host}:{port}")).with("client_secret", secret);
        door.text("headers.x-turn", &turn.to_string()).toml()
    };
    let bearerd = Bearerd::start(at("127.0.0.1", 1)).await;
    bearerd.ready().await;
    let url = format!("http://127.0.0.1:{port}/echo");
    let load = Load::start(&url);
    let fresh = async {
        for _ in 0..200 {
            assert_eq!(call(client().get(&url)).await.status, 200);
        }
    };
    let reloads = async {
        for turn in 1..=20 {
            detail(&bearerd.reload(at(["localhost", "127.0.0.1"][turn % 2], turn)).await);
        }
    };
    tokio::join!(fresh, reloads);
    load.end().await;
    assert_eq!(bearerd.metric("bearerd_requests_total", &["status=\"503\""]).await, 0.0);
}

#[tokio::test]
async fn what_cannot_change_while_it_runs_is_named_in_one_warning() {
    let mock = outside().await;
    let open = Door::open(&mock).toml();
    let bearerd = Bearerd::start(&open).await;
    detail(&bearerd.reload(&open).await);
    let changed = "[limits]\nconnections = 7\n[runtime]\nshutdown_grace = \"1s\"\n";
    detail(&bearerd.reload(open + changed).await);
    let line = bearerd.log().says("takes effect after a restart").await;
    assert_eq!(event(&line)["keys"], "runtime.shutdown_grace, limits.connections");
    assert_eq!(bearerd.log().count("takes effect after a restart"), 1, "nothing is said where nothing has changed");
}

#[tokio::test]
async fn a_pipe_in_place_of_a_secret_or_of_the_configuration_is_refused_and_stops_nothing() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let secret = directory.path().join("secret");
    std::fs::write(&secret, YOUNIUM.secret).unwrap();
    let mut bearerd = started(&Door::to(&mock, Api::Younium).file("client_secret", &secret)).await;
    bearerd.ready().await;
    let replace = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
    };
    replace(&secret);
    bearerd.log().says("cannot be used").await;
    bearerd.log().says("it is a pipe, not a regular file").await;
    assert_eq!(get(&bearerd.admin_url("/livez")).await.status, 200);
    replace(&bearerd.directory().join("bearerd.toml"));
    let answer = post(&bearerd.admin_url("/reload"), "").await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("it is a pipe, not a regular file"), "{}", answer.text());
    assert_eq!(get(&bearerd.url("younium", "/echo")).await.status, 200);
    bearerd.signal("TERM");
    assert_eq!(bearerd.ended().await.code(), Some(0));
}
