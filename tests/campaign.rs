//! Many requests of all kinds through the real binary while everything around it breaks: tokens of two seconds, a token
//! endpoint that is out of order three times in ten, tokens revoked early, connections to the API reset at every point, over
//! HTTP/1.1 and HTTP/2.
//! No caller sees a 401 or a 503 for a token, unless its body was too long to be kept; nothing is done twice that was not
//! refused, but what may be; every body arrives as it was sent.
//!
//! `BEARERD_CAMPAIGN=1000000 cargo test --release --test campaign -- --nocapture` is the campaign; without it, a skirmish.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::disallowed_methods)]
#![allow(unreachable_pub)]

#[path = "campaign/api.rs"]
mod api;
#[path = "campaign/caller.rs"]
mod caller;
#[path = "campaign/http2.rs"]
mod http2;
#[path = "campaign/ledger.rs"]
mod ledger;
#[path = "campaign/plan.rs"]
mod plan;
mod support;
#[path = "campaign/tokens.rs"]
mod tokens;
#[path = "campaign/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use api::Api;
use caller::Caller;
use ledger::Ledger;
use plan::Plan;
use support::Bearerd;
use tokens::Tokens;
use wire::Wire;

/// Each has a token of its own: one that waits for its token does not hold the others up. Every other one speaks HTTP/2.
const DOORS: usize = 16;

/// Callers at each of them.
const CALLERS: usize = 4;

/// How fast a skirmish is, so that it lasts for some tokens' lives.
const PACE: Duration = Duration::from_millis(150);

fn configuration([http1, http2]: [u16; 2], tokens: u16) -> String {
    let door = |number| {
        let (protocol, api) = if number % 2 == 0 { ("http1", http1) } else { ("http2", http2) };
        format!(
            "[upstream.door{number}]\nlisten = \"127.0.0.1:0\"\nflow = \"oauth2\"\nurl = \"http://127.0.0.1:{api}\"\n\
             protocol = \"{protocol}\"\nretry.body = \"64KiB\"\ntimeouts.token_wait = \"60s\"\n[upstream.door{number}.with]\nclient_id = \"x\"\n\
             client_secret = \"x\"\ntoken_url = \"http://127.0.0.1:{tokens}/token\"\nscope = \"{number}\"\n"
        )
    };
    (0..DOORS).map(door).chain(["[log]\naccess = \"off\"\n".to_owned()]).collect()
}

/// Takes the numbers of requests until there are no more.
async fn work(
    mut caller: Caller,
    api: Arc<Api>,
    next: Arc<AtomicUsize>,
    requests: usize,
    pace: Option<Duration>,
) -> Duration {
    let mut pace = pace.map(tokio::time::interval);
    loop {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let id = next.fetch_add(1, SeqCst);
        if id >= requests {
            return caller.longest;
        }
        let plan = Plan::of(id);
        let seen = caller.call(&plan).await;
        api.ledger.note(&plan, &seen);
    }
}

async fn token_endpoint(api: Arc<Api>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let api = api.clone();
            tokio::spawn(async move { api.tokens.talk(Wire::of(stream)).await });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_what_breaks_behind_bearerd_but_where_the_rules_leave_no_way() {
    let asked = std::env::var("BEARERD_CAMPAIGN").ok().map(|requests| requests.parse().expect("a number"));
    let (requests, pace) = (asked.unwrap_or(3_000), asked.is_none().then_some(PACE));
    let api = Arc::new(Api { ledger: Ledger::of(requests), tokens: Tokens::default() });
    let apis = [api.clone().start().await, http2::start(api.clone()).await];
    let bearerd = Bearerd::start(configuration(apis, token_endpoint(api.clone()).await)).await;
    bearerd.ready().await;
    let (began, next) = (Instant::now(), Arc::<AtomicUsize>::default());
    let callers = (0..DOORS * CALLERS).map(|number| {
        let port = bearerd.address(&format!("door{}", number % DOORS)).port();
        tokio::spawn(work(Caller::to(port), api.clone(), next.clone(), requests, pace))
    });
    let mut longest = Duration::ZERO;
    for caller in callers.collect::<Vec<_>>() {
        longest = longest.max(caller.await.unwrap());
    }
    let (took, faults) = (began.elapsed(), api.ledger.faults());
    eprintln!(
        "{requests} requests in {took:.1?}, the slowest {longest:.1?}\n{}{}",
        api.ledger.told(),
        api.tokens.told()
    );
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(20)].join("\n"));
}
