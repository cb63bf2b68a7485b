//! From the first reader to the last, and shutdown.

use super::*;
use crate::token::fake::{error, rotating};
use crate::token::source::Outcome;

fn revoking() -> World {
    World::shaped(|source| source.revokes = true, |number, call| answer(Ok(rotating(number, call.at, HOUR))))
}

#[tokio::test(start_paused = true)]
async fn a_token_without_readers_is_retired_and_revoked() {
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
async fn a_running_token_request_is_awaited_and_saved_without_readers() {
    let world = World::new(|number, call| (seconds(5), Ok(rotating(number, call.at, HOUR))));
    let handle = world.open();
    pass(seconds(1)).await;
    drop(handle);
    pass(seconds(5)).await;
    assert_eq!(world.store.log(), ["save", "retire"]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_returns_in_time_finds_the_running_request() {
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
async fn shutdown_saves_running_requests_and_revokes_only_where_configured() {
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
async fn shutdown_takes_at_most_two_seconds() {
    let world = World::new(|_, call| (seconds(9), Ok(rotating(1, call.at, HOUR))));
    let _handle = world.open();
    pass(seconds(1)).await;
    let before = world.now();
    world.pool.shutdown().await;
    assert_eq!(world.now().since(before), seconds(2));
}

#[tokio::test(start_paused = true)]
async fn after_the_announcement_of_the_end_nothing_is_revoked() {
    let world = revoking();
    let handle = world.opened().await;
    world.pool.announce_shutdown();
    drop(handle);
    pass(seconds(1)).await;
    assert!(world.source.revoked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reader_after_a_retired_keeper_gets_the_new_one() {
    let world = revoking();
    drop(world.open());
    // The pool does not know yet that the first reader is gone.
    let second = world.opened().await;
    pass(seconds(1)).await;
    let third = world.opened().await;
    third.force().await;
    assert_eq!((second.generation(), third.generation()), (generation(2), generation(2)));
    drop((second, third));
    pass(seconds(1)).await;
    assert_eq!(world.pool.known(), 0);
}

#[tokio::test(start_paused = true)]
async fn opening_a_token_again_updates_its_policy() {
    let world = World::steady(HOUR);
    let first = world.opened().await;
    let exclusive = Policy { exclusive: true, ..Policy::default() };
    let second = world.pool.open(TokenSpec { policy: exclusive.into(), ..world.spec("secret") });
    pass(seconds(1)).await;
    let next = second.status().next_renewal.unwrap();
    assert_eq!(next.since(world.now()).as_secs().div_ceil(60), 59, "a minute before the end");
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn the_subjects_of_a_recipe_are_those_that_have_a_token_and_no_trouble() {
    let world = World::new(|number, call| {
        answer(if number == 2 { Err(error(Outcome::Rejected)) } else { Ok(grant(number, call.at, HOUR)) })
    });
    let mut handles = vec![world.opened().await];
    for name in ["refused", "anna", "bert", "carl"] {
        let spec = world.subject(name);
        let recipe = if name == "bert" { world.spec("other").key.recipe } else { spec.key.recipe };
        handles.push(world.pool.open(TokenSpec { key: TokenKey { recipe, ..spec.key.clone() }, ..spec }));
        pass(seconds(1)).await;
    }
    let recipe = world.spec("secret").key.recipe;
    let mut names: Vec<_> = world.pool.subjects_of(recipe, 9).iter().map(|name| name.as_str().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["anna", "carl"]);
    assert_eq!(world.pool.subjects_of(recipe, 1).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_revoked_although_a_sibling_has_one_of_its_own() {
    let world = revoking();
    let old = world.opened().await;
    let new = world.pool.open(TokenSpec { prove: true, ..world.spec("changed") });
    pass(seconds(1)).await;
    assert_eq!(world.current(&new), Some("t2".to_owned()));
    drop(old);
    pass(seconds(1)).await;
    assert_eq!(world.source.revoked(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn only_grants_that_can_be_used_or_renewed_are_revoked() {
    for (refresh, life, is_live) in [(true, 60, true), (false, 3600, true), (false, 60, false)] {
        let script = move |number: usize, call: &Call| {
            let grant = if refresh { rotating } else { grant };
            answer(if number == 1 { Ok(grant(1, call.at, seconds(life))) } else { Err(error(Outcome::Rejected)) })
        };
        let world = World::shaped(|source| source.revokes = true, script);
        let handle = world.opened().await;
        pass(seconds(100)).await;
        drop(handle);
        pass(seconds(1)).await;
        assert_eq!(world.source.revoked().len(), usize::from(is_live), "{refresh} {life}");
    }
}
