//! Access rules of upstreams, socket files and the admin listener.

use std::os::unix::fs::PermissionsExt;

use bearerd::demo::mock::{Api, Kind, Mock};
use tokio::net::UnixStream;

use crate::support::{Bearerd, Door, Process, Wire, call, client, command, get, outside, post, problem};

async fn status_with(bearerd: &Bearerd, headers: &[(&str, &str)]) -> u16 {
    let request = client().get(bearerd.url("open", "/x"));
    let answer = call(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await;
    if answer.status == 403 {
        problem(&answer, 403, "guard", "http_request_denied", Some("open"));
    }
    answer.status
}

async fn door(mock: &Mock, keys: &[(&str, &str)]) -> Bearerd {
    let door = keys.iter().fold(Door::open(mock), |door, (key, value)| door.key(key, value));
    Bearerd::start(door.toml()).await
}

#[tokio::test]
async fn only_local_names_are_a_host_unless_more_are_allowed() {
    let mock = outside().await;
    let bearerd = door(&mock, &[("access.hosts", r#"["api.corp.example"]"#)]).await;
    for (host, status) in [
        ("localhost", 200),
        ("localhost:1", 200),
        ("a.b.localhost", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("api.corp.example", 200),
        ("rebound.example", 403),
        ("localhost.example", 403),
        ("0.0.0.0", 403),
        ("192.168.0.1", 403),
    ] {
        assert_eq!(status_with(&bearerd, &[("host", host)]).await, status, "{host}");
    }
    let old = Wire::exchange(bearerd.address("open"), "GET /x HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.") && old.contains(" 200 "), "{old}");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_call() {
    let mock = outside().await;
    let bearerd = door(&mock, &[]).await;
    let own = format!("http://{}", bearerd.address("open"));
    for (headers, status) in [
        ([("origin", &*own), ("sec-fetch-site", "same-origin")], 200),
        ([("accept", "*/*"), ("sec-fetch-site", "none")], 200),
        ([("accept", "*/*"), ("sec-fetch-site", "cross-site")], 403),
        ([("accept", "*/*"), ("sec-fetch-site", "same-site")], 403),
        ([("accept", "*/*"), ("origin", "https://evil.example")], 403),
        ([("accept", "*/*"), ("origin", "null")], 403),
    ] {
        assert_eq!(status_with(&bearerd, &headers).await, status, "{headers:?}");
    }
    let calls = mock.received_by(Api::Open, Kind::Call);
    assert_eq!((calls.len(), calls[0].header("origin")), (2, None), "the own origin would only confuse the API");
}

#[tokio::test]
async fn an_allowed_page_has_its_preflight_answered_here() {
    let mock = outside().await;
    let bearerd = door(&mock, &[("access.origins", r#"["https://app.example"]"#)]).await;
    let request =
        client().request(http::Method::OPTIONS, bearerd.url("open", "/x")).header("origin", "https://app.example");
    let preflight = request.header("access-control-request-method", "PUT").header("sec-fetch-site", "cross-site");
    let answer = call(preflight.header("access-control-request-headers", "x-a")).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://app.example")));
    assert!(mock.received().is_empty());
    let request = client().get(bearerd.url("open", "/x")).header("origin", "https://app.example");
    let answer = call(request.header("sec-fetch-site", "cross-site")).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("https://app.example")));
    assert!(answer.header("vary").unwrap().to_lowercase().contains("origin"));
}

#[tokio::test]
async fn peers_methods_and_paths_are_held_to_what_is_set() {
    let mock = outside().await;
    assert_eq!(status_with(&door(&mock, &[("access.peers", r#"["10.0.0.0/8"]"#)]).await, &[]).await, 403);
    let bearerd = door(&mock, &[("access.methods", r#"["GET"]"#), ("access.paths", r#"["/public/**"]"#)]).await;
    for (method, path, status) in
        [("GET", "/public/a/b", 200), ("POST", "/public/a", 403), ("GET", "/private", 403), ("GET", "/%70rivate", 403)]
    {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(call(client().request(method, bearerd.url("open", path))).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_local_key_opens_and_is_not_passed_on() {
    let mock = outside().await;
    let bearerd = door(&mock, &[("access.key", "\"canary-local-key\"")]).await;
    assert_eq!(status_with(&bearerd, &[]).await, 403);
    assert_eq!(status_with(&bearerd, &[("x-bearerd-key", "canary-local-kex")]).await, 403);
    assert_eq!(status_with(&bearerd, &[("x-bearerd-key", "canary-local-key")]).await, 200);
    let calls = mock.received_by(Api::Open, Kind::Call);
    assert_eq!((calls.len(), calls[0].header("x-bearerd-key")), (1, None));
}

#[tokio::test]
async fn a_socket_file_has_its_mode_knows_no_host_rule_and_is_taken_over_only_when_dead() {
    let mock = outside().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("door.sock");
    let door = |mode: &str| Door::open(&mock).key("listen", &format!("{{ unix = {path:?}{mode} }}")).toml();
    let mode = || path.symlink_metadata().unwrap().permissions().mode() & 0o777;
    let first = Bearerd::start(door("")).await;
    assert_eq!(mode(), 0o600);
    let mut wire = Wire(UnixStream::connect(&path).await.unwrap());
    wire.send("GET /x HTTP/1.1\r\nhost: anything.example\r\norigin: https://evil.example\r\nconnection: close\r\n\r\n")
        .await;
    assert!(wire.rest().await.starts_with("HTTP/1.1 200 "));
    let file = first.directory().join("second.toml");
    std::fs::write(&file, door("") + "[admin]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let mut second = command();
    second.args(["run", "--config"]).arg(&file);
    assert_eq!(Process::start(second).ended().await.code(), Some(1), "the socket is in use");
    assert!(UnixStream::connect(&path).await.is_ok(), "and stays in use");
    drop(first);
    let _third = Bearerd::start(door(", mode = \"0660\"")).await;
    assert_eq!(mode(), 0o660);
    assert!(UnixStream::connect(&path).await.is_ok());
}

#[tokio::test]
async fn probes_and_metrics_are_open_and_the_rest_of_admin_is_guarded() {
    let mock = outside().await;
    let bearerd = door(&mock, &[]).await;
    bearerd.ready().await;
    let status = async |path: &str, name: &str, value: &str| {
        call(client().get(bearerd.admin_url(path)).header(name, value)).await.status
    };
    for path in ["/livez", "/startupz", "/readyz", "/metrics"] {
        assert_eq!(status(path, "host", "10.0.0.7:9090").await, 200, "{path}");
    }
    for path in ["/status", "/"] {
        assert_eq!(status(path, "host", "rebound.example").await, 403, "{path}");
        assert_eq!(status(path, "origin", "https://evil.example").await, 403, "{path}");
    }
    let cross = client().post(bearerd.admin_url("/refresh?upstream=open")).header("sec-fetch-site", "cross-site");
    assert_eq!(call(cross).await.status, 403);
}

#[tokio::test]
async fn commands_are_posts_and_quitting_must_be_allowed() {
    let mock = outside().await;
    let bearerd = door(&mock, &[]).await;
    for path in ["/refresh?upstream=open", "/reload", "/quit"] {
        let answer = get(&bearerd.admin_url(path)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{path}");
    }
    assert_eq!(post(&bearerd.admin_url("/quit"), "").await.status, 403);
    assert_eq!(post(&bearerd.admin_url("/refresh?upstream=nobody"), "").await.status, 404);
    assert_eq!(get(&bearerd.url("open", "/x")).await.status, 200, "still here");
}

#[tokio::test]
async fn ten_renewals_a_minute_can_be_forced_and_no_more() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Dnb).toml()).await;
    bearerd.ready().await;
    for number in 1..=12 {
        assert_eq!(get(&bearerd.url("dnb-europe", "/companies")).await.status, 200);
        let answer = bearerd.refresh("dnb-europe").await;
        assert_eq!(answer.status, if number <= 10 { 200 } else { 429 }, "{number}: {answer:?}");
        assert_eq!(answer.header("retry-after").is_some(), number > 10);
    }
    assert_eq!(mock.count(Api::Dnb, Kind::Login), 11);
}
