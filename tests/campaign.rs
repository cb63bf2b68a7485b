//! Many requests of all kinds through the real binary while everything around it fails: tokens that live two seconds, a
//! token endpoint that fails three times in ten, tokens that are revoked early, and connections to the API that are
//! reset at every point, over HTTP/1.1 and HTTP/2. No caller sees a 401, or a 503 for a token, unless its body was too
//! long to keep. Only idempotent requests, and requests that the API rejected, are sent twice. Every body arrives
//! unchanged.
//!
//! `BEARERD_CAMPAIGN=1000000 cargo test --release --test campaign -- --nocapture` runs the full campaign; without the
//! variable, it is a short one.
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

/// The upstreams. Each has its own token, so that waiting for one does not delay the others. Every other one uses
/// HTTP/2.
const DOORS: usize = 16;

/// Callers per upstream.
const CALLERS: usize = 4;

/// The pace of a short run, so that it lasts for several token lifetimes.
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

/// Makes requests until all numbers are used.
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
async fn no_caller_sees_a_failure_that_a_repeat_or_a_renewal_can_hide() {
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
