//! Requests that wait for a token.

use super::*;
use crate::token::fake::error;
use crate::token::source::Outcome;
use crate::token::status::{NoToken, State};

#[tokio::test(start_paused = true)]
async fn a_herd_of_cold_requests_makes_one_token_request() {
    let world = World::steady(HOUR);
    let handle = world.open();
    let herd: Vec<_> = (0..1000)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.usable(PATIENCE).await })
        })
        .collect();
    for request in herd {
        assert_eq!(name(&request.await.unwrap().unwrap()), "t1");
    }
    assert_eq!(world.source.count(), 1);
    assert_eq!(handle.status().state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn opening_a_key_again_returns_the_same_token_without_a_request() {
    let world = World::steady(HOUR);
    let first = world.opened().await;
    let second = world.open();
    assert_eq!(world.current(&second), Some("t1".to_owned()));
    assert_eq!(second.generation(), first.generation());
    assert_eq!(world.source.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_gives_up_does_not_cancel_the_token_request() {
    let world = World::steady(HOUR);
    let handle = world.open();
    assert!(tokio::time::timeout(Duration::from_millis(10), handle.usable(PATIENCE)).await.is_err());
    pass(seconds(1)).await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t1".to_owned()), 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_no_longer_than_its_patience() {
    let world = World::new(|_, call| (seconds(5), Ok(grant(1, call.at, HOUR))));
    let handle = world.open();
    let before = world.now();
    let refused = handle.usable(seconds(2)).await;
    assert!(matches!(refused, Err(NoToken::Pending { .. })));
    assert_eq!(world.now().since(before), seconds(2));
    assert!(handle.usable(seconds(4)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_fails_waiting_requests_at_once_with_retry_after() {
    let world = World::new(|_, _| answer(Err(error(Outcome::Rejected))));
    let handle = world.open();
    assert_eq!(handle.usable(PATIENCE).await, Err(NoToken::Rejected { retry_after: seconds(60) }));
    pass(seconds(20)).await;
    let before = world.now();
    let refused = handle.usable(PATIENCE).await;
    assert_eq!((refused, world.now()), (Err(NoToken::Rejected { retry_after: seconds(40) }), before));
    assert_eq!(handle.status().state, State::Rejected);
    assert_eq!(handle.status().last_error.unwrap().code, "token-rejected");
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_through_a_failure_when_the_next_attempt_is_due_in_time() {
    let world = World::new(|number, call| {
        answer(if number < 3 { Err(error(Outcome::Status)) } else { Ok(grant(number, call.at, HOUR)) })
    });
    let token = world.open().usable(PATIENCE).await.unwrap();
    assert_eq!((name(&token), world.source.count()), ("t3".to_owned(), 3));
}

#[tokio::test(start_paused = true)]
async fn a_token_call_has_ten_seconds() {
    let world = World::new(|_, call| (seconds(3600), Ok(grant(1, call.at, HOUR))));
    let handle = world.open();
    pass(Duration::from_millis(9_990)).await;
    assert_eq!(handle.status().state, State::Starting);
    pass(Duration::from_millis(20)).await;
    assert_eq!(handle.status().state, State::Expired);
    assert!(handle.status().last_error.unwrap().message.contains("timeout"));
}

#[tokio::test(start_paused = true)]
async fn a_token_call_has_a_quarter_of_the_last_life_and_the_next_begins_at_once() {
    for (life, has) in [(1, 2), (2, 2), (8, 2), (20, 5), (36, 9), (40, 10), (3600, 10)] {
        let world = World::new(move |number, call| {
            let hangs = number == 2;
            (if hangs { HOUR } else { Duration::ZERO }, Ok(grant(number, call.at, seconds(life))))
        });
        let handle = world.opened().await;
        while world.source.count() < 3 {
            pass(Duration::from_millis(10)).await;
        }
        let calls = world.source.calls();
        let (hung, next) = (calls[1].at, calls[2].at);
        let apart = next.since(hung);
        let end = calls[0].at + seconds(life);
        assert!(apart >= seconds(has), "{life}: {apart:?}");
        let pause = if hung + seconds(has) >= end { Duration::from_millis(20) } else { seconds(1) };
        assert!(apart <= seconds(has) + pause, "{life}: {apart:?}");
        drop(handle);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_notified_of_every_change_once() {
    let world = World::steady(seconds(100));
    let handle = world.open();
    assert_eq!(handle.status().state, State::Starting);
    handle.changed().await;
    pass(seconds(1)).await;
    assert_eq!(handle.status().generation, Some(generation(1)));
    assert!(tokio::time::timeout(seconds(30), handle.changed()).await.is_err(), "nothing happened");
    tokio::time::timeout(seconds(60), handle.changed()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_notified_when_a_degraded_token_expires() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(grant(1, call.at, seconds(100))) } else { Err(error(Outcome::Rejected)) })
    });
    let handle = world.opened().await;
    pass(seconds(90)).await;
    assert_eq!(handle.status().state, State::Degraded);
    tokio::time::timeout(seconds(9), handle.changed()).await.unwrap();
    assert_eq!(handle.status().state, State::Rejected);
}

#[tokio::test(start_paused = true)]
async fn after_shutdown_no_request_waits() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    world.pool.shutdown().await;
    assert_eq!(world.current(&handle), Some("t1".to_owned()));
    let before = world.now();
    assert_eq!(handle.renewed_after(generation(1), PATIENCE).await, None);
    assert!(matches!(world.pool.open(world.spec("other")).usable(PATIENCE).await, Err(NoToken::Pending { .. })));
    world.pool.shutdown().await;
    assert_eq!(world.now(), before);
}

#[tokio::test(start_paused = true)]
async fn waiting_in_the_queue_is_not_a_failure_and_holds_no_lease() {
    let script = |number: usize, call: &Call| answer(Ok(grant(number, call.at, HOUR)));
    let world = World::shaped(|source| source.line = seconds(60), script);
    let handle = world.open();
    assert!(matches!(handle.usable(PATIENCE).await, Err(NoToken::Pending { .. })));
    let lease = tokio::time::timeout(seconds(1), world.store.inner.lease(&store_key())).await;
    assert!(lease.is_ok_and(|leased| leased.is_ok()), "others may ask meanwhile");
    pass(seconds(55)).await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t1".to_owned()), 1));
}
