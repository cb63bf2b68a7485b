//! What is taken from others who share the store, and what it means for the bounds.

use super::*;
use crate::secret::Secret;
use crate::token::fake::rotating;
use crate::token::grant::Grant;

fn rotates() -> World {
    World::new(|number, call| answer(Ok(rotating(number, call.at, HOUR))))
}

async fn others_save(world: &World, grant: Grant, forced: bool) {
    world.store.put(&Stored { number: 9, grant, refresh_sent: false, forced }).await;
    world.store.tell(Change::Any);
    pass(seconds(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_others_got_for_the_refresh_token_that_we_have_is_adopted() {
    let world = rotates();
    let handle = world.opened().await;
    let theirs = Grant { refresh: Some(Secret::new("r1")), ..rotating(9, world.now(), HOUR) };
    others_save(&world, theirs, false).await;
    assert_eq!(world.current(&handle), Some("t9".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_others_got_with_the_token_that_we_have_is_the_next_to_be_sent() {
    let world = rotates();
    let handle = world.opened().await;
    let theirs = Grant { access: Secret::new("t1"), ..rotating(9, world.now(), HOUR) };
    others_save(&world, theirs, false).await;
    handle.rejected(handle.generation());
    pass(seconds(1)).await;
    assert_eq!(world.source.calls()[1].refresh.as_deref(), Some("r9"));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_of_others_that_no_rejection_asked_for_bounds_nothing() {
    let world = rotates();
    let handle = world.opened().await;
    others_save(&world, rotating(9, world.now(), HOUR), false).await;
    assert!(handle.renewed_after(generation(9), PATIENCE).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_from_before_our_start_bounds_nothing() {
    let world = rotates();
    others_save(&world, rotating(9, world.now(), HOUR), true).await;
    let handle = world.opened().await;
    assert!(handle.renewed_after(generation(9), PATIENCE).await.is_some());
}
