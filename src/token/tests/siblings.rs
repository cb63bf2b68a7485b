//! Two keepers of one name, with an old and a new secret: each must act on what the other knows.

use super::*;
use crate::token::fake::rotating;

fn proving(world: &World, secret: &str) -> TokenSpec {
    TokenSpec { prove: true, ..world.spec(secret) }
}

#[tokio::test(start_paused = true)]
async fn a_sibling_sends_an_unsaved_refresh_token() {
    let script = |number: usize, call: &Call| answer(Ok(rotating(number, call.at, HOUR)));
    let world = World::shaped(|source| source.login = false, script);
    let old = world.opened().await;
    world.store.moods.slow.store(1, Ordering::Relaxed);
    old.rejected(generation(1));
    pass(Duration::from_millis(3_050)).await;
    assert_eq!(world.source.count(), 2, "the refresh is under way, and its mark saved");
    world.store.set_away(true);
    pass(seconds(3)).await;
    assert_eq!(world.current(&old), Some("t2".to_owned()));
    world.store.set_away(false);
    let new = world.pool.open(proving(&world, "changed"));
    pass(seconds(8)).await;
    assert_eq!(world.source.calls()[2].refresh.as_deref(), Some("r2"), "not r1, which the store has marked as sent");
    drop(new);
}

#[tokio::test(start_paused = true)]
async fn a_token_counts_as_unsaved_while_it_is_being_saved() {
    let world = World::new(|number, call| answer(Ok(rotating(number, call.at, seconds(60)))));
    let handle = world.opened().await;
    world.store.set_away(true);
    pass(seconds(62)).await;
    assert_eq!((world.source.count(), handle.generation()), (2, generation(2)), "a login at the end of the first");
    world.store.moods.slow.store(25, Ordering::Relaxed);
    world.store.set_away(false);
    pass(seconds(120)).await;
    assert_eq!(world.source.calls()[2].refresh.as_deref(), Some("r2"));
}

#[tokio::test(start_paused = true)]
async fn a_retiring_keeper_tries_once_more_to_save_an_unsaved_grant() {
    let world = World::new(|number, call| answer(Ok(rotating(number, call.at, HOUR))));
    world.store.lasts.store(true, Ordering::Relaxed);
    world.store.set_away(true);
    let handle = world.opened().await;
    world.store.set_away(false);
    drop(handle);
    pass(seconds(1)).await;
    assert_eq!(world.store.log(), ["retire", "save"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_sibling_will_find_in_the_store_is_not_revoked() {
    let script = |number: usize, call: &Call| answer(Ok(rotating(number, call.at, HOUR)));
    let world = World::shaped(|source| source.revokes = true, script);
    let old = world.opened().await;
    let new = world.pool.open(proving(&world, "changed"));
    assert_eq!(name(&new.usable(PATIENCE).await.unwrap()), "t2");
    drop(new);
    pass(seconds(1)).await;
    assert_eq!(world.source.revoked().len(), 0, "the old keeper's next look finds it");
    pass(HOUR).await;
    drop(old);
    pass(seconds(1)).await;
    assert_eq!(world.source.revoked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_tokens_that_could_not_be_saved_the_store_gets_the_later_one() {
    let world = World::new(|number, call| answer(Ok(rotating(number, call.at, HOUR))));
    world.store.set_away(true);
    let old = world.opened().await;
    for present in 1..3 {
        old.accepted(generation(present));
        old.renewed_after(generation(present), PATIENCE).await.unwrap();
    }
    let new = world.pool.open(proving(&world, "changed"));
    assert_eq!(name(&new.usable(PATIENCE).await.unwrap()), "t4");
    world.store.set_away(false);
    pass(seconds(30)).await;
    let kept = world.store.load(&store_key()).await.unwrap().unwrap();
    assert_eq!(kept.grant.access.expose(), "t4", "the first keeper has counted to three, the second one begins");
}
