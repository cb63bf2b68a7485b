//! One of two processes loses Redis, and the other does not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::support::{Bearerd, Door, Redis, eventually, get, outside, post, table};

/// A connection to Redis that can be interrupted.
struct Gate {
    directory: tempfile::TempDir,
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    fn start(redis: PathBuf) -> Self {
        let (directory, open) = (tempfile::tempdir().unwrap(), Arc::new(watch::Sender::new(true)));
        let listener = UnixListener::bind(directory.path().join("redis.sock")).unwrap();
        let state = Arc::clone(&open);
        tokio::spawn(async move {
            loop {
                let Ok((mut here, _)) = listener.accept().await else { return };
                let (mut state, redis) = (state.subscribe(), redis.clone());
                tokio::spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let Ok(mut there) = UnixStream::connect(redis).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
                        _ = state.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { directory, open }
    }

    fn url(&self) -> String {
        format!("unix://{}", self.directory.path().join("redis.sock").display())
    }

    fn set(&self, open: bool) {
        self.open.send_replace(open);
    }
}

/// Two processes; the first connects through a gate.
struct Pair {
    mock: Mock,
    gate: Gate,
    members: Vec<Bearerd>,
    _redis: Redis,
}

impl Pair {
    async fn start(door: impl FnOnce(&Mock) -> Door, life: Duration) -> Self {
        let (mock, redis) = (outside().await, Redis::start().await);
        mock.oauth().lives(life);
        let gate = Gate::start(redis.directory().join("redis.sock"));
        let (door, mut members) = (door(&mock).toml(), Vec::new());
        for url in [gate.url(), redis.url()] {
            let member = Bearerd::start(format!("{door}{}", table(&url))).await;
            member.ready().await;
            members.push(member);
        }
        Self { mock, gate, members, _redis: redis }
    }

    fn refreshes(&self) -> u64 {
        self.mock.count(Api::Oauth, Kind::Refresh)
    }

    async fn is_shared_and_fresh(&self) -> bool {
        let (one, two) = (self.members[0].status_of("oauth").await, self.members[1].status_of("oauth").await);
        let fresh = one["state"] == "fresh" && two["state"] == "fresh";
        fresh && one["token"]["generation"] == two["token"]["generation"]
    }
}

#[tokio::test]
async fn a_refresh_token_that_was_sent_is_left_alone_when_its_sender_loses_redis() {
    if !Redis::is_here("a sender that loses Redis") {
        return;
    }
    let given = |mock: &Mock| {
        let door = Door::to(mock, Api::Oauth).text("flow", "oauth2-refresh");
        door.with("refresh_token", &mock.oauth().new_refresh_token())
    };
    let pair = Pair::start(given, Duration::from_secs(3600)).await;
    pair.mock.oauth().set(Kind::Refresh, Behaviour::Stall);
    let order = pair.members[0].admin_url("/refresh?upstream=oauth");
    let order = tokio::spawn(async move { post(&order, "").await });
    eventually("it has asked", || async { pair.refreshes() == 2 }).await;
    pair.gate.set(false);
    // Its lease expires, and the other process finds the mark; its own token is still valid.
    pair.members[1].refresh("oauth").await;
    let status = pair.members[1].status_of("oauth").await;
    assert_eq!((status["state"].as_str(), status["last_error"]["action"].as_str()), (Some("degraded"), Some("wait")));
    assert_eq!(pair.refreshes(), 2, "sent once");
    pair.mock.oauth().release(Kind::Refresh);
    order.await.unwrap();
    pair.gate.set(true);
    eventually("both use the token that came", || pair.is_shared_and_fresh()).await;
    for member in &pair.members {
        assert_eq!(get(&member.url("oauth", "/echo")).await.status, 200);
    }
    assert_eq!(pair.refreshes(), 2);
}

#[tokio::test]
async fn without_refresh_tokens_a_process_that_loses_redis_renews_in_the_background_and_joins_again() {
    if !Redis::is_here("a process without refresh tokens loses Redis") {
        return;
    }
    let pair = Pair::start(|mock| Door::to(mock, Api::Oauth), Duration::from_secs(4)).await;
    pair.gate.set(false);
    let cut_off = &pair.members[0];
    cut_off.log().says("Redis is unreachable, and each").await;
    let before = cut_off.status_of("oauth").await["token"]["generation"].as_u64().unwrap();
    eventually("some renewals", || async {
        let answer = get(&cut_off.url("oauth", "/echo")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        cut_off.status_of("oauth").await["token"]["generation"].as_u64().unwrap() >= before + 3
    })
    .await;
    let worse = ["degraded", "expired"].map(|state| cut_off.changes_to("oauth", state));
    assert_eq!((worse, cut_off.log().count("refresh token")), ([0, 0], 0), "{}", cut_off.log().text());
    pair.gate.set(true);
    cut_off.log().says("Redis is back").await;
    eventually("they share again", || pair.is_shared_and_fresh()).await;
    assert_eq!(cut_off.log().count("Redis is unreachable, and each"), 1, "said once");
}
