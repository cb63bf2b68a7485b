//! Tokens survive the process: restarts, crashes, two processes with one store.
//!
//! The crash test kills 20 times. `BEARERD_CRASHES=300 cargo test --test integration lasting -- --nocapture` kills 300
//! times and takes some minutes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock};

use crate::support::{Bearerd, Door, eventually, get, outside};

const LIFE: Duration = Duration::from_secs(1);

async fn started(mock: &Mock, store: &Path) -> Bearerd {
    let store =
        format!("\n[store]\nkind = \"file\"\npath = {:?}\nkey = \"canary-store-key\"\n", store.to_str().unwrap());
    Bearerd::start(Door::to(mock, Api::Simacan).toml() + &store).await
}

fn logins(mock: &Mock) -> u64 {
    mock.count(Api::Simacan, Kind::Login)
}

fn refreshes(mock: &Mock) -> u64 {
    mock.count(Api::Simacan, Kind::Refresh)
}

/// The server ends a session when a refresh token is used twice, so none may be, whatever became of the first request.
fn assert_never_reused(mock: &Mock) {
    let sent = mock.received_by(Api::Simacan, Kind::Refresh);
    let different: BTreeSet<String> = sent.iter().map(|request| request.text()).collect();
    assert_eq!(different.len(), sent.len(), "a refresh token was sent twice");
    assert!(sent.iter().all(|request| request.status.is_none_or(|status| status == 200)), "a refresh token was dead");
}

/// A connection number that is higher than all of a dead process; requests still read from those have lower ones.
async fn last_connection(mock: &Mock) -> u64 {
    assert_eq!(get(&format!("{}/trips", mock.simacan().url())).await.status, 401);
    mock.received_by(Api::Simacan, Kind::Call).iter().map(|call| call.connection).max().unwrap()
}

/// `ends`: the last connection of each start, except the one that still runs.
fn assert_one_login_each(mock: &Mock, ends: &[u64]) {
    let mut of_start = vec![0; ends.len() + 1];
    for login in mock.received_by(Api::Simacan, Kind::Login) {
        of_start[ends.partition_point(|end| *end < login.connection)] += 1;
    }
    assert!(of_start.iter().all(|count| *count <= 1), "logins of each start: {of_start:?}");
}

#[tokio::test]
async fn a_restart_finds_its_token_and_logs_in_no_more() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let mut first = started(&mock, directory.path()).await;
    first.ready().await;
    first.signal("TERM");
    assert!(first.ended().await.success());
    for _ in 0..3 {
        let bearerd = started(&mock, directory.path()).await;
        bearerd.ready().await;
        assert_eq!(get(&bearerd.url("simacan", "/trips")).await.status, 200);
    }
    assert_eq!((logins(&mock), refreshes(&mock)), (1, 0));
    let files = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let texts: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    assert!(texts.contains("sealed") && mock.secrets().iter().all(|secret| !texts.contains(secret)));
}

#[tokio::test]
async fn a_refresh_token_that_a_killed_process_had_sent_is_replaced_by_one_login() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    mock.simacan().lives(LIFE);
    mock.simacan().set(Kind::Refresh, Behaviour::Stall);
    let bearerd = started(&mock, directory.path()).await;
    eventually("the refresh token is sent", || async { refreshes(&mock) == 1 }).await;
    drop(bearerd);
    mock.simacan().set(Kind::Refresh, Behaviour::Serve);
    let bearerd = started(&mock, directory.path()).await;
    eventually("it goes on", || async { refreshes(&mock) == 3 }).await;
    assert_eq!(get(&bearerd.url("simacan", "/trips")).await.status, 200);
    assert_eq!(logins(&mock), 2);
    assert_never_reused(&mock);
}

#[tokio::test]
async fn after_a_kill_at_any_time_at_most_one_login_follows_and_no_refresh_token_is_reused() {
    let crashes = std::env::var("BEARERD_CRASHES").map_or(20, |count| count.parse().unwrap());
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    mock.simacan().lives(LIFE);
    let mut ends = Vec::new();
    for crash in 0..crashes {
        let (logged_in, refreshed) = (logins(&mock), refreshes(&mock));
        let bearerd = started(&mock, directory.path()).await;
        if crash % 3 == 0 {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..1_500))).await;
        } else {
            // Between the reply and its way to the disk.
            let asked = || logins(&mock) > logged_in || refreshes(&mock) > refreshed;
            while !asked() {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            tokio::time::sleep(Duration::from_micros(fastrand::u64(..6_000))).await;
        }
        drop(bearerd);
        ends.push(last_connection(&mock).await);
        assert_never_reused(&mock);
    }
    let bearerd = started(&mock, directory.path()).await;
    bearerd.ready().await;
    assert_eq!(get(&bearerd.url("simacan", "/trips")).await.status, 200);
    assert_never_reused(&mock);
    assert_one_login_each(&mock, &ends);
    eprintln!("{crashes} crashes, {} refreshes, {} logins", refreshes(&mock), logins(&mock));
}

#[tokio::test]
async fn two_processes_on_one_store_share_one_login_and_every_refresh() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    mock.simacan().lives(LIFE);
    let (one, two) = tokio::join!(started(&mock, directory.path()), started(&mock, directory.path()));
    one.ready().await;
    two.ready().await;
    eventually("some renewals", || async { refreshes(&mock) >= 6 }).await;
    for bearerd in [&one, &two] {
        assert_eq!(get(&bearerd.url("simacan", "/trips")).await.status, 200);
    }
    assert_eq!(logins(&mock), 1);
    assert_never_reused(&mock);
}
