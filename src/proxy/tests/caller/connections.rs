//! Connections: their number, their duration, and how they end.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::scene::Setting;
use super::wire::*;
use crate::proxy::listen::Address;
use crate::shutdown::Phase;

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn one_caller_too_many_gets_a_503() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.bounds.connections = 2;
    let scene = setting.start();
    let (mut first, second) = (scene.caller().await, scene.caller().await);
    eventually("both are connected", || scene.proxy_record.connections() == 2).await;
    let mut third = scene.caller().await;
    third.send(GET).await;
    let response = third.response().await;
    assert_eq!(
        (response.status(), response.code().as_str(), response.header("connection")),
        (503, "busy", Some("close"))
    );
    assert_eq!(response.header("proxy-status"), Some("bearerd; error=connection_limit_reached; details=\"busy\""));
    assert!(third.is_closed().await);
    drop(second);
    eventually("one has gone", || scene.proxy_record.connections() == 1).await;
    first.send(GET).await;
    assert_eq!(first.response().await.status(), 200);
    assert_eq!(scene.get("/").await.status(), 200);
}

#[tokio::test]
async fn draining_finishes_requests_in_flight_and_accepts_no_callers() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let (mut busy, mut idle) = (scene.caller().await, scene.caller().await);
    busy.send(GET).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    eventually("both are connected", || scene.proxy_record.connections() == 2).await;
    scene.trigger.advance(Phase::Announced);
    let mut late = scene.caller().await;
    eventually("the late one is accepted", || scene.proxy_record.connections() == 3).await;
    scene.trigger.advance(Phase::Draining);
    assert!(idle.is_closed().await && late.is_closed().await);
    eventually("the listener is closed", || std::net::TcpStream::connect(scene.address).is_err()).await;
    assert!(!scene.thread.has_ended());
    there.send(response_with(200, "done")).await;
    let response = busy.response().await;
    assert_eq!((response.text().as_str(), response.header("connection")), ("done", Some("close")));
    tokio::time::timeout(LONG, scene.thread.ended()).await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_grace_period_closes_remaining_connections() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send(GET).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    scene.trigger.advance(Phase::Draining);
    scene.trigger.advance(Phase::Cut);
    tokio::time::timeout(LONG, scene.thread.ended()).await.unwrap();
    assert!(caller.is_closed().await && there.is_closed().await);
}

#[tokio::test]
async fn idle_callers_and_unfinished_heads_time_out() {
    let api = Api::start(|_| response_with(200, "")).await;
    let mut setting = Setting::to(api.address);
    setting.limits.caller_idle = Duration::from_millis(100);
    let scene = setting.start();
    let mut idle = scene.caller().await;
    idle.send(GET).await;
    assert_eq!(idle.response().await.status(), 200);
    assert!(idle.is_closed().await);

    let mut setting = Setting::to(api.address);
    setting.limits.header_timeout = Duration::from_millis(100);
    let scene = setting.start();
    let mut slow = scene.caller().await;
    slow.send("GET / HTTP/1.1\r\nHo").await;
    assert!(slow.is_closed().await);
    assert_eq!(scene.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_dead_pooled_connection_is_replaced_transparently() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send(GET).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send(response_with(200, "one")).await;
    assert_eq!(caller.response().await.text(), "one");
    // The next request is on its way when the old connection closes without a response.
    caller.send(GET).await;
    there.head().await.unwrap();
    drop(there);
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send(response_with(200, "two")).await;
    assert_eq!(caller.response().await.text(), "two");
}

#[tokio::test]
async fn a_post_that_may_have_been_processed_is_not_sent_again() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send(GET).await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send(response_with(200, "one")).await;
    caller.response().await;
    caller.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na").await;
    there.head().await.unwrap();
    drop(there);
    let response = caller.response().await;
    assert_eq!((response.status(), response.code().as_str()), (502, "upstream-reset"));
}

#[tokio::test]
async fn the_heartbeat_advances() {
    let api = Api::start(|_| response_with(200, "")).await;
    let scene = Setting::to(api.address).start();
    eventually("a beat", || scene.proxy_record.last_beat() > 0).await;
    let first = scene.proxy_record.last_beat();
    eventually("another beat", || scene.proxy_record.last_beat() > first).await;
}

#[tokio::test]
async fn listeners_open_and_close_while_requests_are_served() {
    let api = Api::start(|_| response_with(200, "")).await;
    let scene = Setting::to(api.address).start();
    let mut kept = scene.caller().await;
    kept.send(GET).await;
    assert_eq!(kept.response().await.status(), 200);
    let listen = crate::proxy::settings::Listen::Localhost(0);
    let port = scene.address.port();
    let both = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    scene.thread.close(both.map(Address::Tcp).to_vec(), Vec::new());
    eventually("the listener is closed", || std::net::TcpStream::connect(scene.address).is_err()).await;
    kept.send(GET).await;
    assert_eq!(kept.response().await.status(), 200);
    let bound = crate::proxy::listen::bind(&[listen]).unwrap().pop().unwrap();
    let address = bound.local_addr().unwrap();
    scene.thread.open(bound);
    let mut caller = Caller::of(tokio::net::TcpStream::connect(address).await.unwrap());
    caller.send(GET).await;
    assert_eq!(caller.response().await.status(), 200);
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_or_sent_bytes_is_not_reused() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    let mut earlier = Vec::new();
    for ends in ["", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"].repeat(5) {
        caller.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi").await;
        let mut there = api.accept().await;
        assert_eq!(there.message(true).await.unwrap().text(), "hi");
        there.send(response_with(200, "done")).await;
        assert_eq!(caller.response().await.text(), "done");
        if !ends.is_empty() {
            there.send(ends).await;
            earlier.push(there);
        }
    }
}

#[tokio::test]
async fn a_request_that_the_api_does_not_read_ends_when_its_caller_leaves() {
    let (api, address) = ManualApi::start().await;
    let scene = Setting::to(address).start();
    let mut caller = scene.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n").await;
    let mut there = api.accept().await;
    there.head().await.unwrap();
    there.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(caller.head().await.unwrap().status(), 200);
    let more = vec![0; 1 << 16];
    let full = || caller.stream.try_write(&more).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    eventually("reading has stopped", || full() && full()).await;
    caller.stream.set_zero_linger().unwrap();
    drop(caller);
    eventually("the API notices", || {
        there.stream.try_write(b"1\r\nx\r\n").is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
    })
    .await;
}
