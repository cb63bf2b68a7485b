//! A long campaign through the real binary: calls of every kind while tokens live two seconds, the token endpoint fails, tokens
//! die early and connections are reset. No caller sees any of it that the rules let bearerd hide.
//!
//! `BEARERD_CAMPAIGN=1000000 cargo test --release --test campaign -- --nocapture` makes a million calls and says what came of
//! them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::disallowed_methods)]
#![allow(unreachable_pub)]

#[path = "campaign/api.rs"]
mod api;
#[path = "campaign/call.rs"]
mod call;
mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use api::Api;
use bytes::Bytes;
use call::{Call, KEPT, body};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use support::Bearerd;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Enough for a few token lives; a minute's work is a command of its own.
const CALLS: usize = 30_000;
const CALLERS: usize = 16;

/// What a caller saw.
type Seen = BTreeMap<String, usize>;

fn configuration(port: u16) -> String {
    format!(
        "[upstream.api]\nlisten = \"127.0.0.1:0\"\nflow = \"oauth2\"\nurl = \"http://127.0.0.1:{port}\"\n\
         retry.body = \"{KEPT}B\"\ntimeouts.token_wait = \"60s\"\n[upstream.api.with]\n\
         token_url = \"http://127.0.0.1:{port}/token\"\nclient_id = \"campaign\"\nclient_secret = \"campaign\"\n\
         [log]\naccess = \"off\"\n"
    )
}

/// A caller on a kept-alive connection, a new one after each that broke.
struct Caller {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Caller {
    async fn sender(&mut self) -> &mut SendRequest<Full<Bytes>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = TcpStream::connect(self.address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut().unwrap()
    }

    /// What came of a call, in a word.
    async fn make(&mut self, call: &Call) -> String {
        let sent = self.sender().await.send_request(call.request()).await;
        let Ok(answer) = sent else { return "no answer".to_owned() };
        let (head, incoming) = answer.into_parts();
        let code = head.headers.get("proxy-status").map(|line| line.to_str().unwrap_or_default().to_owned());
        let Ok(read) = incoming.collect().await else { return "answer cut".to_owned() };
        let intact = *call.method.as_str() == *"HEAD" || read.to_bytes() == body(call.id, call.answer);
        match (head.status.as_u16(), code) {
            (200, None) if intact => "200".to_owned(),
            (200, None) => "body not intact".to_owned(),
            (status, code) => format!("{status} {}", code.unwrap_or_default()).trim().to_owned(),
        }
    }
}

/// Why this must not have happened.
fn wrong(call: &Call, saw: &str, api: &Api) -> Option<String> {
    let fate = api.fate(call.id);
    let why = match saw {
        "200" if fate.done == 0 => "nobody answered",
        "200" => "",
        "401" if call.is_kept() => "a dead token was the caller's problem",
        "401" => "",
        "no answer" | "answer cut" if fate.reset == 0 => "nothing was reset",
        "answer cut" => "",
        saw if saw.contains("upstream-reset") && fate.reset > 0 => "",
        _ => "no rule gives that answer",
    };
    let twice = fate.done > 1 && !(call.is_idempotent() && fate.reset > 0);
    let why = if why.is_empty() && twice { "it was carried out twice" } else { why };
    (!why.is_empty()).then(|| format!("{why}: {} {} saw {saw:?}, {fate:?}", call.method, call.id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_a_fault_that_can_be_hidden() {
    let calls = std::env::var("BEARERD_CAMPAIGN").map_or(CALLS, |text| text.parse().expect("a number of calls"));
    let api = Api::start(calls).await;
    let bearerd = Bearerd::start(configuration(api.port)).await;
    let (next, address) = (Arc::new(AtomicUsize::new(0)), bearerd.address("api"));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (api, next) = (Arc::clone(&api), Arc::clone(&next));
        callers.spawn(async move {
            let (mut caller, mut seen, mut found) = (Caller { address, sender: None }, Seen::new(), Vec::new());
            loop {
                let id = next.fetch_add(1, Ordering::SeqCst);
                if id >= calls {
                    return (seen, found);
                }
                let call = Call::of(id);
                let saw = caller.make(&call).await;
                found.extend(wrong(&call, &saw, &api));
                *seen.entry(saw).or_default() += 1;
            }
        });
    }
    let (mut seen, mut found) = (Seen::new(), Vec::new());
    for (saw, wrong) in callers.join_all().await {
        saw.into_iter().for_each(|(saw, count)| *seen.entry(saw).or_default() += count);
        found.extend(wrong);
    }
    report(&api, &seen, &bearerd).await;
    let some = &found[..found.len().min(20)];
    assert!(found.is_empty(), "\n{} calls went wrong\n{}\n", found.len(), some.join("\n"));
}

async fn report(api: &Api, seen: &Seen, bearerd: &Bearerd) {
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    let fates = || (0..api.calls()).map(|id| api.fate(id));
    let (refused, reset) =
        (fates().filter(|fate| fate.refused > 0).count(), fates().filter(|fate| fate.reset > 0).count());
    let replays = bearerd.metric("bearerd_replays_total", &["accepted"]).await;
    let waits = bearerd.metric("bearerd_token_waits_total", &[]).await;
    eprintln!(
        "{} token requests, {} of them failed, {} tokens revoked early; {refused} calls \
         refused for their token, {reset} reset; {replays} repeats accepted, {waits} calls waited for a \
         token; callers saw {seen:?}",
        count(&api.token_requests),
        count(&api.token_failures),
        count(&api.revoked),
    );
}
