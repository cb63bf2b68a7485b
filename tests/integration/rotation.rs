//! A secret or a certificate changes under a running proxy.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bearerd::demo::mock::{Api, Kind, Mock, YOUNIUM};
use tokio::task::JoinSet;

use super::mutual::Mutual;
use crate::support::{Authority, Bearerd, Door, call, client, eventually, get, outside};

async fn started(mock: &Mock, secret: &Path) -> Bearerd {
    let bearerd = Bearerd::start(Door::to(mock, Api::Younium).file("client_secret", secret).toml()).await;
    bearerd.ready().await;
    bearerd
}

/// The token number of a successful call.
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
    // A third secret is tried at once, without a hold.
    mock.younium().accept_secret("canary-third");
    std::fs::write(&secret, "canary-third").unwrap();
    eventually("the second token is used", || async { token(&bearerd).await == 2 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mounted_secret_is_seen_to_change_under_load_when_kubernetes_swaps_its_link() {
    let (mock, mount) = (outside().await, Mount::new(&["secret"]));
    mount.swap("1", &[YOUNIUM.secret]);
    let bearerd = started(&mock, &mount.file("secret")).await;
    let load = Load::start(&bearerd.url("younium", "/echo"));
    mock.younium().accept_secret("canary-of-the-same-length-as-before");
    mount.swap("2", &["canary-of-the-same-length-as-before"]);
    eventually("the second token is used", || async { token(&bearerd).await == 2 }).await;
    load.end().await;
    assert_eq!(mock.count(Api::Younium, Kind::Login), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_that_is_swapped_under_load_serves_logins_and_calls_with_none_lost() {
    if !Authority::is_possible("a client certificate is swapped") {
        return;
    }
    let (authority, mount) = (Authority::new(), Mount::new(&["cert", "key"]));
    let swap = |name: &str| {
        authority.issue(name);
        let [cert, key] = ["pem", "key"].map(|it| std::fs::read_to_string(authority.path(&format!("{name}.{it}"))));
        mount.swap(name, &[&cert.unwrap(), &key.unwrap()]);
    };
    swap("first");
    let api = Mutual::start(&authority).await;
    let [ca, cert, key] = [authority.path("ca.pem").into(), mount.file("cert"), mount.file("key")];
    let door = Door::new("crm", "oauth2").text("url", &api.url).with("token_url", &format!("{}/token", api.url));
    let door = door.with("client_id", "id").with("client_secret", "secret");
    let door = door.key("tls", &format!("{{ ca = {ca:?}, cert = {cert:?}, key = {key:?} }}"));
    let bearerd = Bearerd::start(door.toml()).await;
    bearerd.ready().await;
    let url = bearerd.url("crm", "/");
    assert_eq!(get(&url).await.text(), "first");
    let load = Load::start(&url);
    swap("second");
    eventually("the second certificate is shown", || async { get(&url).await.text() == "second" }).await;
    load.end().await;
    assert_eq!(api.logins(), ["first", "second"]);
}

#[tokio::test]
async fn a_changed_file_that_makes_no_token_is_used_at_once() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let key = directory.path().join("key");
    std::fs::write(&key, "canary-first-key-9c1d").unwrap();
    let door = Door::open(&mock).key("access.key", &format!("{{ file = {key:?} }}"));
    let bearerd = Bearerd::start(door.toml()).await;
    let status =
        async |key: &str| call(client().get(bearerd.url("open", "/")).header("x-bearerd-key", key)).await.status;
    assert_eq!(status("canary-first-key-9c1d").await, 200);
    std::fs::write(&key, "canary-second-key-4e0b").unwrap();
    eventually("the second key is asked for", async || status("canary-second-key-4e0b").await == 200).await;
    assert_eq!(status("canary-first-key-9c1d").await, 403);
}

#[tokio::test]
async fn an_unreadable_changed_secret_is_logged_with_file_and_reason() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let secret = directory.path().join("secret");
    std::fs::write(&secret, YOUNIUM.secret).unwrap();
    let bearerd = started(&mock, &secret).await;
    std::fs::write(&secret, "\n").unwrap();
    let line = bearerd.log().wait_for("the complaint", |line| line.contains("cannot be used").then(|| line.to_owned()));
    let line = line.await;
    for part in ["younium.with.client_secret", "is empty", secret.to_str().unwrap(), "bearerd.toml:"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(token(&bearerd).await, 1);
}

#[tokio::test]
async fn refused_credentials_are_tried_at_once_when_the_secret_changes() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "canary-wrong").unwrap();
    let bearerd = Bearerd::start(Door::to(&mock, Api::Younium).file("client_secret", &secret).toml()).await;
    bearerd.in_state("younium", "rejected").await;
    std::fs::write(&secret, YOUNIUM.secret).unwrap();
    // A hold would last a minute.
    bearerd.in_state("younium", "fresh").await;
    assert_eq!(token(&bearerd).await, 1);
}

/// Files mounted as by Kubernetes: links through a link that is replaced.
struct Mount(tempfile::TempDir, Vec<&'static str>);

impl Mount {
    fn new(files: &[&'static str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            symlink(format!("..data/{file}"), directory.path().join(file)).unwrap();
        }
        Self(directory, files.to_vec())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn swap(&self, version: &str, contents: &[&str]) {
        let version = format!("..{version}");
        std::fs::create_dir(self.file(&version)).unwrap();
        for (file, content) in self.1.iter().zip(contents) {
            std::fs::write(self.file(&version).join(file), content).unwrap();
        }
        symlink(version, self.file("..next")).unwrap();
        std::fs::rename(self.file("..next"), self.file("..data")).unwrap();
    }
}

/// Callers that make requests until they are stopped; all must succeed.
pub(super) struct Load(Arc<AtomicBool>, JoinSet<usize>);

impl Load {
    pub(super) fn start(url: &str) -> Self {
        let (over, client) = (Arc::new(AtomicBool::new(false)), client());
        let caller = |_| {
            let (over, client, url) = (Arc::clone(&over), client.clone(), url.to_owned());
            async move {
                let mut calls = 0;
                while !over.load(Ordering::Relaxed) {
                    let answer = call(client.get(&url)).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    calls += 1;
                }
                calls
            }
        };
        let callers = (0..4).map(caller).collect();
        Self(over, callers)
    }

    pub(super) async fn end(self) {
        self.0.store(true, Ordering::Relaxed);
        assert!(self.1.join_all().await.into_iter().sum::<usize>() > 0);
    }
}
