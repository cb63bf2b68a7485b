//! Shutdown: no request in flight is lost.

use bearerd::demo::mock::{Kind, Mock};
use tokio::net::TcpStream;

use crate::support::{Bearerd, Door, PATIENCE, Wire, event, eventually, get, outside, post};

async fn started(mock: &Mock, more: &str) -> Bearerd {
    let bearerd = Bearerd::start(Door::open(mock).toml() + more).await;
    bearerd.ready().await;
    bearerd
}

/// A call that waits for its response head.
async fn in_flight(mock: &Mock, bearerd: &Bearerd) -> Wire {
    let mut wire = Wire::open(bearerd.address("open")).await;
    wire.send("GET /slow-head HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let arrived = mock.wait_for(|all| all.iter().any(|one| one.kind == Kind::Call), PATIENCE).await;
    assert!(arrived);
    wire
}

#[tokio::test]
async fn the_first_sigterm_finishes_requests_and_accepts_no_new_connections() {
    for signal in ["TERM", "INT"] {
        let mock = outside().await;
        let mut bearerd = started(&mock, "").await;
        let mut call = in_flight(&mock, &bearerd).await;
        bearerd.signal(signal);
        eventually("not ready", || async { get(&bearerd.admin_url("/readyz")).await.status == 503 }).await;
        let refused = || async { TcpStream::connect(bearerd.address("open")).await.is_err() };
        eventually("closed", refused).await;
        assert_eq!(get(&bearerd.admin_url("/livez")).await.status, 200, "alive while draining");
        mock.open().release_head();
        let answer = call.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(bearerd.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn listeners_stay_open_for_the_delay_while_readiness_is_gone() {
    let mock = outside().await;
    let mut bearerd = started(&mock, "[runtime]\nshutdown_delay = \"2s\"\n").await;
    bearerd.signal("TERM");
    eventually("not ready", || async { get(&bearerd.admin_url("/readyz")).await.status == 503 }).await;
    assert_eq!(get(&bearerd.url("open", "/x")).await.status, 200);
    assert_eq!(bearerd.ended().await.code(), Some(0));
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cut_with_one_warning_and_the_exit_is_clean() {
    let mock = outside().await;
    let mut bearerd = started(&mock, "[runtime]\nshutdown_grace = \"100ms\"\n").await;
    let mut call = in_flight(&mock, &bearerd).await;
    bearerd.signal("TERM");
    assert_eq!(bearerd.ended().await.code(), Some(0));
    assert_eq!(call.rest().await, "");
    // The last log lines may be read after the process has ended.
    bearerd.log().wait_for("the last line", |line| (event(line)["message"] == "stopped").then_some(())).await;
    let warnings = bearerd.log().lines().iter().filter(|line| line.contains("\"WARN\"")).count();
    assert_eq!(warnings, 1, "{}", bearerd.log().text());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mock = outside().await;
        let mut bearerd = started(&mock, "").await;
        let _call = in_flight(&mock, &bearerd).await;
        let ended = std::cell::Cell::new(false);
        let insist = async {
            // A second signal within a second is ignored, so this sends it repeatedly.
            while !ended.get() {
                bearerd.signal(signal);
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                ended.set(TcpStream::connect(bearerd.admin()).await.is_err());
            }
        };
        tokio::time::timeout(PATIENCE / 3, insist).await.expect("long before the grace is over");
        assert_eq!(bearerd.ended().await.code(), Some(code));
    }
}

#[tokio::test]
async fn quitting_by_admin_drains_as_a_signal_does() {
    let mock = outside().await;
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\nquit = true\n";
    let mut bearerd = started(&mock, admin).await;
    let mut call = in_flight(&mock, &bearerd).await;
    assert_eq!(post(&bearerd.admin_url("/quit"), "").await.status, 200);
    mock.open().release_head();
    assert!(call.rest().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(bearerd.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_tunnel_is_cut_when_the_grace_is_over_and_not_before() {
    let mock = outside().await;
    let mut bearerd = started(&mock, "[runtime]\nshutdown_grace = \"1s\"\n").await;
    let mut tunnel = Wire::open(bearerd.address("open")).await;
    tunnel.send("GET /upgrade HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
    tunnel.until("\r\n\r\n").await;
    bearerd.signal("TERM");
    eventually("draining", || async { get(&bearerd.admin_url("/readyz")).await.status == 503 }).await;
    tunnel.send("still here").await;
    tunnel.until("still here").await;
    assert_eq!(bearerd.ended().await.code(), Some(0));
    assert_eq!(tunnel.rest().await, "");
    let of_tunnel = |line: &str| Some(event(line)).filter(|event| event["path"] == "/upgrade");
    let line = bearerd.log().wait_for("the tunnel's end", of_tunnel).await;
    assert_eq!((&line["status"], &line["cut"]), (&101.into(), &true.into()), "{line}");
}

#[tokio::test]
async fn an_address_in_use_ends_the_start_with_a_message() {
    let mock = outside().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let door = Door::open(&mock).text("listen", &taken.local_addr().unwrap().to_string());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bearerd.toml");
    std::fs::write(&file, door.toml() + "[admin]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let mut command = crate::support::command();
    command.args(["run", "--config"]).arg(&file);
    let mut process = crate::support::Process::start(command);
    assert_eq!(process.ended().await.code(), Some(1));
    process.log().says(&taken.local_addr().unwrap().port().to_string()).await;
}

#[tokio::test]
async fn an_answer_that_is_broken_off_is_marked_so_in_the_access_log() {
    let mock = outside().await;
    let mut bearerd = started(&mock, "[runtime]\nshutdown_grace = \"100ms\"\n").await;
    let mut cut = Wire::open(bearerd.address("open")).await;
    cut.send("GET /cut HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    cut.rest().await;
    assert_eq!(get(&bearerd.url("open", "/bytes")).await.status, 200);
    let mut held = Wire::open(bearerd.address("open")).await;
    held.send("GET /drip?hold HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    held.until("\r\n\r\n").await;
    bearerd.signal("TERM");
    assert_eq!(bearerd.ended().await.code(), Some(0));
    for path in ["/cut", "/drip"] {
        let line = bearerd.log().wait_for(path, |line| Some(event(line)).filter(|event| event["path"] == path)).await;
        assert_eq!((&line["status"], &line["cut"]), (&200.into(), &true.into()), "{line}");
    }
    let whole = bearerd.log().lines().iter().any(|line| event(line)["path"] == "/bytes");
    assert!(!whole, "a whole answer is no error");
}
