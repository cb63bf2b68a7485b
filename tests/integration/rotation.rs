//! A secret changes under a running proxy.

use std::os::unix::fs::symlink;
use std::path::Path;

use bearerd::demo::mock::{Api, Kind, Mock, YOUNIUM};

use crate::support::{Bearerd, Door, eventually, get, outside};

async fn started(mock: &Mock, secret: &Path) -> Bearerd {
    let bearerd = Bearerd::start(Door::to(mock, Api::Younium).file("client_secret", secret).toml()).await;
    bearerd.ready().await;
    bearerd
}

/// The token that a call is made with now; the call must succeed.
async fn token(bearerd: &Bearerd) -> u64 {
    let answer = get(&bearerd.url("younium", "/echo")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["token"].as_u64().unwrap()
}

async fn tried(mock: &Mock, secret: &str, status: u16) {
    let body = format!("\"secret\":\"{secret}\"");
    eventually(&format!("{secret} is tried"), || async {
        let logins = mock.received_by(Api::Younium, Kind::Login);
        logins.iter().any(|login| login.text().contains(&body) && login.status == Some(status))
    })
    .await;
}

#[tokio::test]
async fn a_new_secret_in_the_file_brings_a_new_token_with_no_call_disturbed() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let secret = directory.path().join("secret");
    std::fs::write(&secret, format!("{}\n", YOUNIUM.secret)).unwrap();
    let bearerd = started(&mock, &secret).await;
    assert_eq!(token(&bearerd).await, 1);
    mock.younium().accept_secret("canary-second");
    std::fs::write(&secret, "canary-second\r\n").unwrap();
    eventually("the second token is used", || async { token(&bearerd).await == 2 }).await;
    tried(&mock, "canary-second", 200).await;
    assert_eq!(mock.count(Api::Younium, Kind::Login), 2);
}

#[tokio::test]
async fn a_wrong_new_secret_is_tried_once_and_the_old_token_stays() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let secret = directory.path().join("secret");
    std::fs::write(&secret, YOUNIUM.secret).unwrap();
    let bearerd = started(&mock, &secret).await;
    std::fs::write(&secret, "canary-wrong").unwrap();
    tried(&mock, "canary-wrong", 401).await;
    for _ in 0..10 {
        assert_eq!(token(&bearerd).await, 1);
    }
    assert_eq!(mock.count(Api::Younium, Kind::Login), 2);
    // A third secret is tried at once: no hold for a mistake that was mended.
    mock.younium().accept_secret("canary-third");
    std::fs::write(&secret, "canary-third").unwrap();
    eventually("the second token is used", || async { token(&bearerd).await == 2 }).await;
}

#[tokio::test]
async fn a_mounted_secret_is_seen_to_change_when_kubernetes_swaps_its_link() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let mount = |version: &str, value: &str| {
        std::fs::create_dir(directory.path().join(version)).unwrap();
        std::fs::write(directory.path().join(version).join("secret"), value).unwrap();
        symlink(version, directory.path().join("..next")).unwrap();
        std::fs::rename(directory.path().join("..next"), directory.path().join("..data")).unwrap();
    };
    mount("..1", YOUNIUM.secret);
    symlink("..data/secret", directory.path().join("secret")).unwrap();
    let bearerd = started(&mock, &directory.path().join("secret")).await;
    mock.younium().accept_secret("canary-of-the-same-length-as-before");
    mount("..2", "canary-of-the-same-length-as-before");
    eventually("the second token is used", || async { token(&bearerd).await == 2 }).await;
    assert_eq!(mock.count(Api::Younium, Kind::Login), 2);
}

#[tokio::test]
async fn refused_credentials_are_tried_at_once_when_the_secret_changes() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "canary-wrong").unwrap();
    let bearerd = Bearerd::start(Door::to(&mock, Api::Younium).file("client_secret", &secret).toml()).await;
    bearerd.in_state("younium", "rejected").await;
    std::fs::write(&secret, YOUNIUM.secret).unwrap();
    // The hold would have been a minute.
    bearerd.in_state("younium", "fresh").await;
    assert_eq!(token(&bearerd).await, 1);
}
