//! Listeners move in a running process: a port that it has is reused, never closed and bound again.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use bearerd::demo::mock::Mock;

use super::rotation::Load;
use crate::support::{Bearerd, Door, Wire, call, client, eventually, get, outside, post};

const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn door(mock: &Mock, name: &str, listen: &str) -> String {
    Door::open(mock).named(name).key("listen", listen).text("headers.x-door", name).toml()
}

fn admin(listen: &str) -> String {
    format!("\n[admin]\nlisten = {listen}\n")
}

async fn seen_at(address: &str) -> String {
    let echo = get(&format!("http://{address}/")).await.json();
    let headers = echo["headers"].as_array().unwrap().clone();
    headers.iter().find(|pair| pair[0] == "x-door").unwrap()[1].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_becomes_localhost_and_every_address_and_back_with_kept_connections_served() {
    let (mock, port) = (outside().await, port());
    let at = |host: &str| {
        let door = Door::open(&mock).text("listen", &format!("{host}:{port}"));
        door.key("unsafe_listen", "true").text("access.key", "canary-key-0123456789").toml()
    };
    let with_key = |text: &str| text.replace("\r\n\r\n", "\r\nX-Bearerd-Key: canary-key-0123456789\r\n\r\n");
    let bearerd = Bearerd::start(at("127.0.0.1")).await;
    let mut kept = Wire::open(SocketAddr::from(([127, 0, 0, 1], port))).await;
    for host in ["localhost", "127.0.0.1", "0.0.0.0", "localhost", "0.0.0.0", "127.0.0.1"] {
        let answer = bearerd.reload(at(host)).await;
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(
            call(client().get(url).header("x-bearerd-key", "canary-key-0123456789")).await.status,
            200,
            "{host}"
        );
        kept.send(&with_key(HEAD)).await;
        assert!(kept.until("\r\n\r\n").await.starts_with("HTTP/1.1 200"), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_listeners_swap_their_ports_in_every_spelling() {
    let (mock, one, two) = (outside().await, port(), port());
    let both = |a: String, b: String| door(&mock, "a", &a) + &door(&mock, "b", &b);
    let (ip, local) = (|port| format!("\"127.0.0.1:{port}\""), |port| format!("\"localhost:{port}\""));
    let bearerd = Bearerd::start(both(ip(one), local(two))).await;
    let load = Load::start(&format!("http://127.0.0.1:{one}/"));
    for (a, b) in [(ip(two), local(one)), (local(one), ip(two)), (local(two), local(one)), (ip(one), ip(two))] {
        let answer = bearerd.reload(both(a.clone(), b.clone())).await;
        assert_eq!(answer.status, 200, "{a} {b}: {answer:?}");
        let at_one = if a.contains(&one.to_string()) { "a" } else { "b" };
        assert_eq!(seen_at(&format!("127.0.0.1:{one}")).await, at_one, "{a} {b}");
        assert_ne!(seen_at(&format!("127.0.0.1:{two}")).await, at_one, "{a} {b}");
    }
    load.end().await;
}

#[tokio::test]
async fn admin_and_an_upstream_swap_their_ports() {
    let (mock, one, two) = (outside().await, port(), port());
    let at = |open: u16, probes: u16| {
        door(&mock, "open", &format!("\"127.0.0.1:{open}\"")) + &admin(&format!("\"localhost:{probes}\""))
    };
    let bearerd = Bearerd::start(at(one, two)).await;
    for (open, probes, ask) in [(two, one, two), (one, two, one)] {
        bearerd.write(at(open, probes));
        let answer = post(&format!("http://127.0.0.1:{ask}/reload"), "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        // Until the other thread has released the socket, a connection may still reach the old listener.
        let (ready, there) = (format!("http://127.0.0.1:{probes}/readyz"), format!("http://127.0.0.1:{open}/"));
        eventually("admin has moved", || async { get(&ready).await.text() == "ok\n" }).await;
        eventually("the upstream has moved", || async { get(&there).await.text().contains("x-door") }).await;
    }
}

#[tokio::test]
async fn a_socket_file_stays_and_gets_its_new_mode() {
    let (mock, directory) = (outside().await, tempfile::tempdir().unwrap());
    let path = directory.path().join("y.sock");
    let at = |mode: &str| door(&mock, "open", &format!("{{ unix = {path:?}, mode = \"{mode}\" }}"));
    let bearerd = Bearerd::start(at("0600")).await;
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    for (written, expected) in [("0660", 0o660), ("0600", 0o600)] {
        assert_eq!(bearerd.reload(at(written)).await.status, 200);
        assert_eq!(mode(), expected);
        let mut wire = Wire(tokio::net::UnixStream::connect(&path).await.unwrap());
        wire.send(GET).await;
        assert!(wire.until("\r\n").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_port_of_somebody_else_changes_nothing() {
    let (mock, directory, mine) = (outside().await, tempfile::tempdir().unwrap(), port());
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = theirs.local_addr().unwrap();
    let before = door(&mock, "a", &format!("\"127.0.0.1:{mine}\""));
    let bearerd = Bearerd::start(&before).await;
    let path = directory.path().join("y.sock");
    let after =
        door(&mock, "a", &format!("\"localhost:{mine}\"")) + &door(&mock, "c", &format!("{{ unix = {path:?} }}"));
    let answer = bearerd.reload(after + &door(&mock, "b", &format!("\"{taken}\""))).await;
    assert_eq!(answer.status, 422);
    let said = answer.text();
    assert!(said.contains(&taken.to_string()) && said.contains("nothing changed"), "{said}");
    assert!(said.contains("in use"), "the reason is told: {said}");
    assert_eq!(seen_at(&format!("127.0.0.1:{mine}")).await, "a");
    assert!(!path.exists(), "a socket file is left behind");
}
