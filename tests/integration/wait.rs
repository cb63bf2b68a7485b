//! `bearerd wait`, for start-up ordering and health checks without a shell.

use std::net::SocketAddr;

use bearerd::demo::mock::{Api, Behaviour, Kind};

use crate::support::{Bearerd, Door, Process, command, outside};

fn wait(arguments: &[&str], admin: SocketAddr) -> Process {
    let mut command = command();
    command.arg("wait").args(arguments).env("BEARERD_ADMIN", admin.to_string());
    Process::start(command)
}

#[tokio::test]
async fn it_returns_as_soon_as_the_proxy_is_started_ready_or_live() {
    let mock = outside().await;
    mock.younium().set(Kind::Login, Behaviour::Stall);
    let bearerd = Bearerd::start(Door::to(&mock, Api::Younium).toml()).await;
    let admin = bearerd.admin();
    assert_eq!(wait(&["--for", "live"], admin).ended().await.code(), Some(0));
    for state in ["ready", "started"] {
        let mut waited = wait(&["--for", state, "--timeout", "300ms"], admin);
        assert_eq!(waited.ended().await.code(), Some(4), "{state}");
        waited.log().says("503").await;
    }
    let mut waiting = [wait(&[], admin), wait(&["--for", "ready"], admin)];
    mock.younium().release(Kind::Login);
    for waiting in &mut waiting {
        assert_eq!(waiting.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn an_unreachable_proxy_is_exit_code_4_and_wrong_usage_2() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut nobody = wait(&["--timeout", "200ms"], closed);
    assert_eq!(nobody.ended().await.code(), Some(4));
    nobody.log().says(&closed.to_string()).await;
    assert_eq!(wait(&["--for", "tea"], closed).ended().await.code(), Some(2));
    assert_eq!(wait(&["--timeout", "soon"], closed).ended().await.code(), Some(2));
}
