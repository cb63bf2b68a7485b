//! From the first reader to the last, and the end of the process.

use super::*;
use crate::token::fake::rotating;

fn revoking() -> World {
    World::shaped(|source| source.revokes = true, |number, call| answer(Ok(rotating(number, call.at, HOUR))))
}

#[tokio::test(start_paused = true)]
async fn when_the_last_reader_goes_the_token_is_retired_and_revoked() {
    let world = revoking();
    let first = world.opened().await;
    let second = first.clone();
    drop(first);
    pass(seconds(1)).await;
    assert_eq!((world.store.log(), world.source.revoked().len()), (vec!["save"], 0), "somebody still reads it");
    drop(second);
    pass(seconds(1)).await;
    assert_eq!((world.store.log(), world.source.revoked()), (vec!["save", "retire"], vec!["t1".to_owned()]));
    pass(HOUR * 10).await;
    assert_eq!(world.source.count(), 1, "nobody renews it");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lasts_keeps_the_token_unrevoked() {
    let world = revoking();
    world.store.lasts.store(true, Ordering::Relaxed);
    drop(world.opened().await);
    pass(seconds(1)).await;
    assert_eq!((world.store.log(), world.source.revoked().len()), (vec!["save", "retire"], 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_is_heard_out_and_saved_when_its_readers_are_gone() {
    let world = World::new(|number, call| (seconds(5), Ok(rotating(number, call.at, HOUR))));
    let handle = world.open();
    pass(seconds(1)).await;
    drop(handle);
    pass(seconds(5)).await;
    assert_eq!(world.store.log(), ["save", "retire"]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_back_in_time_finds_the_request_under_way() {
    let world = World::new(|number, call| (seconds(5), Ok(rotating(number, call.at, HOUR))));
    let handle = world.open();
    pass(seconds(1)).await;
    drop(handle);
    pass(seconds(1)).await;
    let handle = world.open();
    assert_eq!(name(&handle.usable(PATIENCE).await.unwrap()), "t1");
    assert_eq!((world.source.count(), world.store.log()), (1, vec!["save"]));
}

#[tokio::test(start_paused = true)]
async fn a_token_opened_again_after_its_end_starts_anew() {
    let world = revoking();
    drop(world.opened().await);
    pass(seconds(1)).await;
    let handle = world.opened().await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t2".to_owned()), 2));
    drop(handle);
    let handle = world.open();
    assert!(handle.usable(PATIENCE).await.is_ok(), "dropped and opened in one breath");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_another_keeper_of_the_name_uses_is_not_revoked() {
    let world = revoking();
    let old = world.opened().await;
    let new = world.pool.open(world.spec("changed"));
    assert_eq!(name(&new.usable(PATIENCE).await.unwrap()), "t1", "adopted from the store");
    drop(old);
    pass(seconds(1)).await;
    assert_eq!((world.store.log(), world.source.revoked().len()), (vec!["save"], 0));
    drop(new);
    pass(seconds(1)).await;
    assert_eq!(world.source.revoked(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_saves_what_is_under_way_and_revokes_only_where_asked() {
    let world =
        World::shaped(|source| source.revokes = true, |number, call| (seconds(1), Ok(rotating(number, call.at, HOUR))));
    let handle = world.open();
    pass(Duration::from_millis(100)).await;
    let before = world.now();
    world.pool.shutdown().await;
    assert!(world.now().since(before) <= seconds(1));
    assert_eq!((world.store.log(), world.source.revoked().len()), (vec!["save"], 0));
    assert_eq!(world.current(&handle), Some("t1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn shutting_down_revokes_where_asked() {
    let world = World::shaped(
        |source| (source.revokes, source.at_shutdown) = (true, true),
        |number, call| answer(Ok(rotating(number, call.at, HOUR))),
    );
    let _handle = world.opened().await;
    world.pool.shutdown().await;
    assert_eq!(world.source.revoked(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_takes_two_seconds_at_most() {
    let world = World::new(|_, call| (seconds(9), Ok(rotating(1, call.at, HOUR))));
    let _handle = world.open();
    pass(seconds(1)).await;
    let before = world.now();
    world.pool.shutdown().await;
    assert_eq!(world.now().since(before), seconds(2));
}
