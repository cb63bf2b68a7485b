//! Shutdown: callers that can be asked to close are asked, requests in flight are waited for, and nothing else delays it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::scene::Setting;
use super::streams::{self, ask};
use super::wire::*;
use crate::shutdown::Phase;

const POST: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A HEADERS or CONTINUATION frame.
fn head(kind: u8, flags: u8) -> Vec<u8> {
    // `:method: GET`, `:scheme: http`, `:path: /`.
    vec![0, 0, 3, kind, flags, 0, 0, 0, 1, 0x82, 0x86, 0x84]
}

/// The state of a crowd of callers that keep sending POST requests.
#[derive(Clone, Default)]
struct Crowd {
    served: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Crowd {
    fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// Sends POST requests, each connection for as long as it stays open. Returns how many requests got no response.
    async fn post(self, address: SocketAddr, pause: Duration) -> usize {
        let mut lost = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let Ok(stream) = TcpStream::connect(address).await else { break };
            let mut caller = Caller::of(stream);
            loop {
                caller.send(POST).await;
                let Some(response) = caller.message(false).await else {
                    lost += 1;
                    break;
                };
                self.served.fetch_add(1, Ordering::SeqCst);
                if response.header("connection") == Some("close") {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
        }
        lost
    }
}

#[tokio::test]
async fn callers_that_keep_posting_lose_no_request_with_or_without_a_delay() {
    for delayed in [true, false] {
        let api = Api::start(|_| response_with(200, "done")).await;
        let scene = Setting::to(api.address).start();
        let crowd = Crowd::default();
        let pause = |number: u64| Duration::from_millis(number % 7 * 5);
        let post = |number| tokio::spawn(crowd.clone().post(scene.address, pause(number)));
        let callers: Vec<_> = (0..60).map(post).collect();
        eventually("all are at it", || crowd.served() > 200).await;
        if delayed {
            scene.trigger.advance(Phase::Announced);
            let before = crowd.served();
            eventually("they go on", || crowd.served() > before + 200).await;
        }
        // A caller that connects while the listener closes may be refused.
        crowd.stop.store(true, Ordering::SeqCst);
        scene.trigger.advance(Phase::Draining);
        tokio::time::timeout(LONG, scene.thread.ended()).await.unwrap();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), 0, "lost, with a delay: {delayed}");
        }
    }
}

#[tokio::test]
async fn after_the_announcement_each_response_closes_its_connection() {
    let api = Api::start(|_| response_with(200, "done")).await;
    let scene = Setting::to(api.address).start();
    let (mut caller, mut parked) = (scene.caller().await, scene.caller().await);
    let streams = streams::caller(scene.address).await;
    let request = || Request::post("http://localhost/").body(()).unwrap();
    for caller in [&mut caller, &mut parked] {
        caller.send(POST).await;
        assert_eq!(caller.response().await.header("connection"), None);
    }
    ask(&streams, request()).await.unwrap();
    scene.trigger.advance(Phase::Announced);
    // An HTTP/2 caller is asked at once, even if its first response comes later.
    let mut announced = streams.clone();
    let gone = async {
        while std::future::poll_fn(|cx| announced.poll_ready(cx)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap();
    let late = streams::caller(scene.address).await;
    assert_eq!(ask(&late, request()).await.unwrap().body, "done");
    for caller in [&mut caller, &mut parked] {
        caller.send(POST).await;
        assert_eq!(caller.response().await.header("connection"), Some("close"));
        assert!(caller.is_closed().await);
    }
    assert_eq!(scene.get("/").await.header("connection"), Some("close"));
    scene.trigger.advance(Phase::Draining);
    tokio::time::timeout(LONG, scene.thread.ended()).await.unwrap();
}

#[tokio::test]
async fn callers_that_cannot_be_asked_do_not_delay_the_shutdown() {
    let scene = Setting::to(([127, 0, 0, 1], 9).into()).start();
    let beginnings: [&[&[u8]]; 6] = [
        &[b"GET / HTTP/1.1\r\nHost: loc"],
        &[b"PRI * HT"],
        &[PREFACE],
        &[PREFACE, SETTINGS],
        &[PREFACE, SETTINGS, &head(1, 0)],
        &[],
    ];
    let mut held = Vec::new();
    for beginning in beginnings {
        let mut stream = TcpStream::connect(scene.address).await.unwrap();
        stream.write_all(&beginning.concat()).await.unwrap();
        held.push(stream);
    }
    eventually("all are connected", || scene.proxy_record.connections() == 6).await;
    scene.trigger.advance(Phase::Draining);
    // Long before any timeout, and without being cut off.
    let ended = tokio::time::timeout(Duration::from_secs(8), scene.thread.ended()).await;
    assert!(ended.is_ok());
}

#[tokio::test]
async fn an_unfinished_head_over_http2_times_out() {
    let mut setting = Setting::to(([127, 0, 0, 1], 9).into());
    setting.limits.header_timeout = Duration::from_millis(500);
    let scene = setting.start();
    let incoming = [PREFACE, SETTINGS, &head(1, 5)].concat();
    let beginnings: [Vec<u8>; 8] = [
        PREFACE[..10].to_vec(),
        PREFACE.to_vec(),
        [PREFACE, SETTINGS].concat(),
        [PREFACE, SETTINGS, &head(1, 1)].concat(),
        [PREFACE, SETTINGS, &head(1, 4)[..10]].concat(),
        [PREFACE, SETTINGS, &head(1, 1), &head(9, 0)].concat(),
        // Also after a request.
        [&incoming[..], &head(1, 5)[..4]].concat(),
        [&incoming[..], &[0, 0, 3, 1, 1, 0, 0, 0, 3, 0x82, 0x86, 0x84]].concat(),
    ];
    for beginning in beginnings {
        let mut stream = TcpStream::connect(scene.address).await.unwrap();
        stream.write_all(&beginning).await.unwrap();
        let end = tokio::time::timeout(LONG, stream.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "{beginning:?}");
    }
}
