//! A process that is stopped within a token request while another one shares its store; and damaged store files.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock};

use crate::support::{Bearerd, Door, eventually, get, outside};

/// Longer than any token request may take.
const LONG: Duration = Duration::from_secs(12);

async fn started(door: &Door, store: &Path) -> Bearerd {
    let store = format!("\n[store]\nkind = \"file\"\npath = {:?}\n", store.to_str().unwrap());
    Bearerd::start(door.toml() + &store).await
}

/// A flow without a login.
fn given(mock: &Mock) -> Door {
    let door = Door::to(mock, Api::Oauth).text("flow", "oauth2-refresh");
    door.with("refresh_token", &mock.oauth().new_refresh_token())
}

/// Stops the process within a renewal, while it holds its lock. The reply reaches a socket that nobody reads.
async fn stop_in_renewal(bearerd: &Bearerd, mock: &Mock, kind: Kind) {
    let before = mock.count(Api::Oauth, kind);
    mock.oauth().set(kind, Behaviour::Stall);
    let order = bearerd.admin_url("/refresh?upstream=oauth");
    tokio::spawn(async move { crate::support::post(&order, "").await });
    eventually("it has asked", || async { mock.count(Api::Oauth, kind) > before }).await;
    bearerd.signal("STOP");
    mock.oauth().set(kind, Behaviour::Serve);
}

#[tokio::test]
async fn a_stopped_process_with_the_lock_does_not_prevent_a_login() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    mock.oauth().lives(Duration::from_secs(4));
    let door = Door::to(&mock, Api::Oauth);
    let one = started(&door, directory.path()).await;
    one.ready().await;
    let two = started(&door, directory.path()).await;
    two.ready().await;
    stop_in_renewal(&one, &mock, Kind::Login).await;
    let before = mock.count(Api::Oauth, Kind::Login);
    eventually("three more logins", || async {
        let answer = get(&two.url("oauth", "/echo")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        mock.count(Api::Oauth, Kind::Login) >= before + 3
    })
    .await;
    let why = "the new token is in use, but could not be saved";
    assert!(two.log().says(why).await.contains("another process has held its lock"), "{}", two.log().text());
    assert_eq!(two.log().count(why), 1, "said once");
    one.signal("CONT");
    one.in_state("oauth", "fresh").await;
    assert_eq!(get(&one.url("oauth", "/echo")).await.status, 200);
}

#[tokio::test]
async fn a_resumed_process_reads_its_reply_and_no_refresh_token_is_sent_twice() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    mock.oauth().lives(Duration::from_secs(3600));
    let door = given(&mock);
    let one = started(&door, directory.path()).await;
    one.ready().await;
    stop_in_renewal(&one, &mock, Kind::Refresh).await;
    let stopped = Instant::now();
    let two = started(&door, directory.path()).await;
    let line = two.log().says("another process has held its lock").await;
    assert!(line.contains("\"action\":\"wait\""), "{line}");
    eventually("its call's time is over", || async { stopped.elapsed() > LONG }).await;
    one.signal("CONT");
    for bearerd in [&one, &two] {
        bearerd.in_state("oauth", "fresh").await;
        assert_eq!(get(&bearerd.url("oauth", "/echo")).await.status, 200);
    }
    let sent = mock.received_by(Api::Oauth, Kind::Refresh);
    assert_eq!(sent.iter().map(|request| request.status).collect::<Vec<_>>(), [Some(200); 2]);
}

fn file(store: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    files.find(|file| file.extension().is_some_and(|extension| extension == "json")).unwrap()
}

#[tokio::test]
async fn a_damaged_file_with_the_only_refresh_token_is_left_alone_and_asks_for_authorization() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let door = given(&mock);
    let mut before = started(&door, directory.path()).await;
    before.ready().await;
    before.signal("TERM");
    assert!(before.ended().await.success());
    let (file, refreshes) = (file(directory.path()), mock.count(Api::Oauth, Kind::Refresh));
    let whole = std::fs::read(&file).unwrap();
    let newer = String::from_utf8(whole.clone()).unwrap().replace("\"bearerd\":1", "\"bearerd\":2");
    for (content, action) in
        [(whole.split_at(whole.len() / 2).0, "authorize_again"), (newer.as_bytes(), "fix_configuration")]
    {
        std::fs::write(&file, content).unwrap();
        let bearerd = started(&door, directory.path()).await;
        bearerd.in_state("oauth", "expired").await;
        assert_eq!(bearerd.status_of("oauth").await["last_error"]["action"], action);
        let line = bearerd.log().says("the token is expired").await;
        assert!(line.contains(&format!("\"action\":\"{action}\"")) && !line.contains("delete"), "{line}");
        assert_eq!(
            (std::fs::read(&file).unwrap(), mock.count(Api::Oauth, Kind::Refresh)),
            (content.to_vec(), refreshes)
        );
    }
    std::fs::write(&file, whole).unwrap();
    started(&door, directory.path()).await.ready().await;
}
