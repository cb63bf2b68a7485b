//! Many misbehaving callers at once (too many requests, no reading, endless or silent connections) next to a regular
//! one.
//!
//! `BEARERD_ATTACK_SECONDS=60 cargo test --test integration attacks -- --ignored --nocapture`; ten seconds without the
//! variable. In a cgroup of 128 MiB if one can be created, else with limited address space, and with 1,024 file
//! descriptors.

#[path = "attacks/callers.rs"]
mod callers;
#[path = "attacks/confined.rs"]
mod confined;
#[path = "attacks/world.rs"]
mod world;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::{Bearerd, eventually};
use callers::{Healthy, Probes};
use confined::Confined;
use world::World;

const MEBIBYTE: u64 = 1 << 20;

fn length() -> Duration {
    let seconds = std::env::var("BEARERD_ATTACK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

fn upstream(name: &str, api: SocketAddr, login: SocketAddr) -> String {
    format!(
        "[upstream.{name}]\nlisten = \"127.0.0.1:0\"\nflow = \"oauth2\"\nurl = \"http://{api}\"\n\
         with = {{ token_url = \"http://{login}/token\", client_id = \"a\", client_secret = \"b\" }}\n"
    )
}

async fn started(world: &World, confined: &Confined) -> Bearerd {
    let (api, quick, login) = (world.api(), world.quick(), world.login());
    let memory = if confined.has_group() { "" } else { "[limits]\nmemory = \"64MiB\"\n" };
    let configuration =
        format!("{}{}[log]\naccess = \"off\"\n{memory}", upstream("api", api, login), upstream("quick", quick, login));
    Bearerd::start_with(configuration, |command| confined.confine(command)).await
}

#[tokio::test]
#[ignore = "takes the machine for itself: BEARERD_ATTACK_SECONDS=60 cargo test --test integration attacks -- --ignored --nocapture"]
async fn attackers_do_not_affect_a_regular_caller() {
    let world = World::start();
    let confined = Confined::new();
    let mut bearerd = started(&world, &confined).await;
    confined.started(&bearerd);
    bearerd.ready().await;
    if confined.has_group() {
        assert_eq!(bearerd.metric("bearerd_limit", &["memory"]).await as u64, 64 * MEBIBYTE);
    }
    let at_rest = confined.resident(&bearerd);

    let quiet = Healthy::start(bearerd.address("quick")).after(Duration::from_secs(2));
    let healthy = Healthy::start(bearerd.address("quick"));
    let probes = Probes::start(bearerd.admin());
    let logins = world.logins();
    let (attackers, began) = (callers::attack(bearerd.address("api"), bearerd.admin()), Instant::now());
    let mut most = 0;
    while began.elapsed() < length() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        most = most.max(confined.resident(&bearerd));
        assert!(bearerd.is_running(), "the process has ended");
    }
    let renewed = world.logins() - logins;
    let attacks = attackers.end();
    let beside = healthy.after(Duration::ZERO);
    let (asked, failed) = probes.end();

    let back = || async { confined.resident(&bearerd) < at_rest + 10 * MEBIBYTE };
    eventually("the memory is given back", back).await;
    let refused = bearerd.metric("bearerd_limit_refusals_total", &[]).await;
    eprintln!(
        "alone {quiet}; beside {beside}; {asked} probes; {renewed} renewals; {refused} refused; attacks: {attacks:?}; \
         resident {} MiB at rest, {} at most, {} after",
        at_rest / MEBIBYTE,
        most / MEBIBYTE,
        confined.resident(&bearerd) / MEBIBYTE
    );
    assert_eq!(beside.failed, Vec::<String>::new(), "the one that behaves");
    assert!(beside.answered > 100, "it was served: {beside}");
    assert_eq!(failed, Vec::<String>::new(), "beside {asked} probes that were answered");
    within_its_bounds(&bearerd, renewed, most).await;
}

async fn within_its_bounds(bearerd: &Bearerd, renewed: usize, most: u64) {
    assert!(renewed as u64 >= length().as_secs() / world::LIFE, "{renewed} renewals");
    assert!(most < 120 * MEBIBYTE, "{most} bytes at most");
    let refused = bearerd.metric("bearerd_limit_refusals_total", &[]).await;
    assert!(refused > 0.0, "limits were reached");
    let slow = bearerd.log().count("limit reached");
    assert!(slow <= 4 * (1 + length().as_secs() as usize / 60), "{slow} lines of the log");
}
