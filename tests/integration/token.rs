//! `bearerd token`: gets a token next to a running proxy without harming it.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock};

use crate::support::{Bearerd, Door, Redis, client, command, eventually, get, outside};

fn file_store(directory: &Path) -> String {
    format!("\n[store]\nkind = \"file\"\npath = {:?}\nkey = \"canary-store-key\"\n", directory.to_str().unwrap())
}

/// Runs the command with this configuration and the admin address of a proxy that may be running.
async fn token(configuration: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bearerd.toml");
    std::fs::write(&file, configuration).unwrap();
    let mut command = command();
    command.arg("token").args(arguments).arg("--config").arg(&file);
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    drop(directory);
    done
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn assert_silent(mock: &Mock, output: &Output) {
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(mock.secrets().iter().all(|secret| !said.contains(secret)), "{said}");
}

#[tokio::test]
async fn beside_a_proxy_with_the_same_store_the_session_lives_on() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    mock.simacan().lives(Duration::from_secs(1));
    let configuration = Door::to(&mock, Api::Simacan).toml() + &file_store(directory.path());
    let bearerd = Bearerd::start(&configuration).await;
    bearerd.ready().await;
    let refreshes = || mock.count(Api::Simacan, Kind::Refresh);
    for _ in 0..20 {
        let output = token(&configuration, &["simacan"]).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with("token  (") && text(&output.stdout).contains("\nends "));
        assert_silent(&mock, &output);
    }
    let before = refreshes();
    eventually("the proxy renews", || async { refreshes() > before }).await;
    assert_eq!(get(&bearerd.url("simacan", "/trips")).await.status, 200);
    assert_eq!(mock.count(Api::Simacan, Kind::Login), 1);
    assert_no_refresh_token_was_dead(&mock);
}

#[tokio::test]
async fn without_a_proxy_it_refreshes_what_is_stored_and_keeps_the_next_refresh_token() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    mock.simacan().lives(Duration::from_secs(3));
    let configuration = Door::to(&mock, Api::Simacan).toml() + &file_store(directory.path());
    eventually("three refreshes", || async {
        let output = token(&configuration, &["simacan"]).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        mock.count(Api::Simacan, Kind::Refresh) >= 3
    })
    .await;
    assert_eq!(mock.count(Api::Simacan, Kind::Login), 1);
    assert_no_refresh_token_was_dead(&mock);
}

fn assert_no_refresh_token_was_dead(mock: &Mock) {
    let sent = mock.received_by(Api::Simacan, Kind::Refresh);
    assert!(sent.iter().all(|request| request.status.is_none_or(|status| status == 200)), "a refresh token was dead");
}

#[tokio::test]
async fn the_token_is_saved_and_can_be_shown_as_a_header() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let configuration = Door::to(&mock, Api::Simacan).toml() + &file_store(directory.path());
    let masked = token(&configuration, &["simacan", "--header"]).await;
    assert_silent(&mock, &masked);
    let shown = token(&configuration, &["simacan", "--header", "--reveal"]).await;
    let line = text(&shown.stdout).strip_suffix('\n').unwrap();
    let (name, value) = line.split_once(": ").unwrap();
    assert_eq!((name, text(&masked.stdout).split(':').next()), ("authorization", Some("authorization")));
    let url = format!("{}/trips", mock.simacan().url());
    let called = client().get(url).header(name, value).send().await.unwrap();
    assert_eq!(called.status(), 200);
    assert_eq!(mock.count(Api::Simacan, Kind::Login), 1);
}

#[tokio::test]
async fn without_a_shared_store_it_spares_the_session_of_a_running_proxy_unless_forced() {
    let mock = outside().await;
    let configuration = Door::to(&mock, Api::Simacan).toml();
    let bearerd = Bearerd::start(&configuration).await;
    bearerd.ready().await;
    let beside = format!("{configuration}\n[admin]\nlisten = \"{}\"\n", bearerd.admin());
    let output = token(&beside, &["simacan"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--force"), "{}", text(&output.stderr));
    assert_eq!(mock.count(Api::Simacan, Kind::Login), 1);
    assert!(token(&beside, &["simacan", "--force"]).await.status.success());
    assert_eq!(mock.count(Api::Simacan, Kind::Login), 2);
}

#[tokio::test]
async fn a_refusal_and_a_broken_endpoint_have_exit_codes_of_their_own() {
    let mock = outside().await;
    let configuration = Door::to(&mock, Api::Simacan).toml();
    for (behaviour, code) in [(Behaviour::Refuse(401), 3), (Behaviour::Fail(500, None), 4)] {
        mock.simacan().set(Kind::Login, behaviour);
        let output = token(&configuration, &["simacan"]).await;
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert_silent(&mock, &output);
    }
    assert_eq!(token(&configuration, &["simakan"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn each_user_has_a_token_and_one_must_be_named() {
    let mock = outside().await;
    let configuration = Door::to(&mock, Api::Yodlee).toml();
    let output = token(&configuration, &["yodlee", "--subject", "sbMem1"]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    for wrong in [&["yodlee", "--subject", "not a user\n"][..], &["yodlee", "--subject", ""][..]] {
        assert_eq!(token(&configuration, wrong).await.status.code(), Some(2));
    }
}

#[tokio::test]
async fn it_releases_a_shared_lease_before_it_exits() {
    if !Redis::is_here("the lease of a command") {
        return;
    }
    let (mock, redis) = (outside().await, Redis::start().await);
    let configuration = Door::to(&mock, Api::Simacan).toml() + &redis.table();
    for _ in 0..5 {
        let output = token(&configuration, &["simacan"]).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(redis.ask(&["KEYS", "*:lease"]).trim(), "");
        redis.ask(&["FLUSHALL"]);
    }
}
