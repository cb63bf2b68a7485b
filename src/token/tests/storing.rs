//! When grants are saved, and the effect of a failing store.

use super::*;
use crate::token::fake::{error, rotating};
use crate::token::source::{MintError, Outcome, Step};
use crate::token::status::State;

async fn stored(world: &World, number: usize, age: Duration, refresh_sent: bool) {
    let grant = rotating(number, world.now() - age, HOUR);
    world.store.put(&Stored { number: number as u64, grant, refresh_sent, forced: false }).await;
}

/// The lease was lost to another process, which has saved since.
fn usurp(world: &World, number: usize) {
    let grant = rotating(number, world.now(), HOUR);
    let theirs = Stored { number: number as u64, grant, refresh_sent: false, forced: false };
    *world.store.moods.usurped.lock().unwrap() = Some(theirs);
}

fn rotates() -> World {
    World::new(|number, call| answer(Ok(rotating(number, call.at, HOUR))))
}

#[tokio::test(start_paused = true)]
async fn a_usable_stored_token_is_used_without_a_request() {
    let world = rotates();
    stored(&world, 7, seconds(60), false).await;
    let handle = world.opened().await;
    assert_eq!(world.current(&handle), Some("t7".to_owned()));
    assert_eq!(world.source.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_refresh_token_of_an_expired_stored_token_is_used() {
    let world = rotates();
    stored(&world, 7, HOUR, false).await;
    world.opened().await;
    assert_eq!(world.source.calls()[0].refresh.as_deref(), Some("r7"));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_saved_before_anybody_sees_it_and_marked_before_it_is_sent() {
    let world = rotates();
    world.store.moods.slow.store(1, Ordering::Relaxed);
    let handle = world.open();
    pass(Duration::from_millis(2_600)).await;
    assert_eq!((world.source.count(), world.current(&handle)), (1, None), "got, but not saved yet");
    pass(seconds(1)).await;
    assert_eq!((world.store.log(), world.current(&handle)), (vec!["save"], Some("t1".to_owned())));

    handle.rejected(generation(1));
    pass(Duration::from_millis(2_500)).await;
    assert_eq!(world.source.count(), 1, "not sent before the mark is saved");
    pass(seconds(1)).await;
    assert_eq!((world.source.count(), world.store.log()), (2, vec!["save", "mark"]));
    assert_eq!(world.current(&handle), Some("t1".to_owned()));
    pass(seconds(1)).await;
    assert_eq!((world.store.log(), world.current(&handle)), (vec!["save", "mark", "save"], Some("t2".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_a_dead_process_sent_is_replaced_by_a_login() {
    let world = rotates();
    stored(&world, 7, seconds(60), true).await;
    let handle = world.open();
    pass(seconds(1)).await;
    assert_eq!(world.source.steps(), [Step::Login]);
    assert_eq!(world.current(&handle), Some("t1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_serves_when_the_login_that_its_mark_asks_for_fails() {
    let world = World::new(|_, _| answer(Err(error(Outcome::Status))));
    stored(&world, 7, seconds(60), true).await;
    let handle = world.opened().await;
    assert_eq!((world.current(&handle), handle.status().state), (Some("t7".to_owned()), State::Degraded));
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_the_mark_is_taken_back() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(rotating(1, call.at, HOUR)) } else { Err(error(Outcome::Connect)) })
    });
    let handle = world.opened().await;
    handle.rejected(generation(1));
    pass(Duration::from_millis(200)).await;
    assert_eq!(world.store.log(), ["save", "mark", "save"]);
}

#[tokio::test(start_paused = true)]
async fn the_mark_of_an_earlier_refresh_stays_when_the_next_finds_no_connection() {
    let world = World::new(|number, call| match number {
        1 => answer(Ok(rotating(1, call.at, HOUR))),
        2 => answer(Err(error(Outcome::Status))),
        _ => answer(Err(error(Outcome::Connect))),
    });
    let handle = world.opened().await;
    handle.rejected(generation(1));
    pass(seconds(15)).await;
    assert!(world.source.count() > 2 && world.store.log()[1..].iter().all(|what| *what == "mark"));
}

#[tokio::test(start_paused = true)]
async fn a_newer_token_in_the_store_is_adopted_instead_of_asking() {
    let world = rotates();
    let handle = world.opened().await;
    pass(seconds(1800)).await;
    stored(&world, 9, seconds(60), false).await;
    pass(seconds(1000)).await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t9".to_owned()), 1));
    assert_eq!(handle.generation(), generation(9));
}

#[tokio::test(start_paused = true)]
async fn the_higher_number_is_the_newer_token_whatever_the_clocks_say() {
    let world = rotates();
    let handle = world.opened().await;
    pass(seconds(1800)).await;
    stored(&world, 9, seconds(2000), false).await;
    pass(seconds(1000)).await;
    assert_eq!(world.source.calls()[1].refresh.as_deref(), Some("r9"));
    drop(handle);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_waits_for_that_of_another_process_and_adopts_its_token() {
    let world = rotates();
    let handle = world.opened().await;
    let mut theirs = world.store.inner.lease(&store_key()).await.unwrap();
    handle.rejected(generation(1));
    pass(seconds(3)).await;
    assert_eq!(world.source.count(), 1, "whoever has the lease may be sending the refresh token");
    let grant = rotating(9, world.now(), HOUR);
    theirs.lease.save(&Stored { number: 2, grant, refresh_sent: false, forced: false }).await.unwrap();
    drop(theirs);
    pass(seconds(1)).await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t9".to_owned()), 1));
}

#[tokio::test(start_paused = true)]
async fn an_older_token_in_the_store_is_not_adopted_and_means_that_a_newer_one_was_lost() {
    let world = rotates();
    let handle = world.opened().await;
    stored(&world, 0, Duration::ZERO, false).await;
    pass(seconds(2750)).await;
    assert_eq!(world.source.steps(), [Step::Login, Step::Login], "nobody knows the newest refresh token");
    assert_eq!(world.current(&handle), Some("t2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_grant_saved_by_another_process_is_adopted_as_soon_as_it_is_announced() {
    for change in [Change::Of(store_key()), Change::Any] {
        let world = rotates();
        let handle = world.opened().await;
        stored(&world, 9, Duration::ZERO, false).await;
        world.store.tell(Change::Of(StoreKey::new(["another"])));
        pass(seconds(1)).await;
        assert_eq!(world.current(&handle), Some("t1".to_owned()));
        world.store.tell(change);
        pass(Duration::from_millis(10)).await;
        assert_eq!((world.current(&handle), world.source.count()), (Some("t9".to_owned()), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn another_processs_rejected_forced_renewal_holds_the_next_one_here_too() {
    let world = rotates();
    let handle = world.opened().await;
    let grant = rotating(9, world.now(), HOUR);
    world.store.put(&Stored { number: 9, grant, refresh_sent: false, forced: true }).await;
    world.store.tell(Change::Any);
    pass(seconds(1)).await;
    assert_eq!(handle.renewed_after(generation(9), PATIENCE).await, None);
    assert_eq!(world.source.count(), 1);
    pass(seconds(31)).await;
    assert!(handle.renewed_after(generation(9), PATIENCE).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_lost_ends_with_the_token_of_those_who_took_it() {
    let world =
        World::new(|number, call| (seconds(if number == 1 { 0 } else { 5 }), Ok(rotating(number, call.at, HOUR))));
    let handle = world.opened().await;
    handle.rejected(generation(1));
    pass(seconds(1)).await;
    usurp(&world, 9);
    pass(seconds(5)).await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t9".to_owned()), 2));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_others_used_meanwhile_needs_no_login() {
    let world = World::new(|number, call| match number {
        1 => answer(Ok(rotating(1, call.at, HOUR))),
        _ => (seconds(5), Err(MintError { grant_is_dead: true, ..error(Outcome::Rejected) })),
    });
    let handle = world.opened().await;
    handle.rejected(generation(1));
    pass(seconds(1)).await;
    usurp(&world, 9);
    pass(seconds(5)).await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t9".to_owned()), 2));
}

#[tokio::test(start_paused = true)]
async fn while_a_store_of_our_own_is_away_tokens_are_renewed_as_ever() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    world.store.set_away(true);
    pass(seconds(2750)).await;
    assert_eq!((world.source.count(), handle.status().state), (2, State::Fresh));
}

#[tokio::test(start_paused = true)]
async fn saving_again_waits_for_a_running_request() {
    let world = World::new(|number, call| (seconds(4), Ok(rotating(number, call.at, HOUR))));
    world.store.set_away(true);
    let handle = world.opened().await;
    pass(seconds(8)).await;
    world.store.set_away(false);
    assert!(handle.renewed_after(generation(1), PATIENCE).await.is_some());
    pass(seconds(60)).await;
    assert_eq!(world.store.log(), ["mark", "save"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_saved_is_used_and_saved_later() {
    let world = rotates();
    world.store.set_away(true);
    let handle = world.opened().await;
    assert_eq!((world.current(&handle), world.store.log().len()), (Some("t1".to_owned()), 0));
    pass(seconds(60)).await;
    world.store.set_away(false);
    pass(seconds(11)).await;
    assert_eq!(world.store.log(), ["save"]);
    pass(seconds(600)).await;
    assert_eq!((world.store.log().len(), world.source.count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn without_the_store_no_refresh_token_is_sent_and_a_login_follows_only_at_expiry() {
    let world = rotates();
    let handle = world.opened().await;
    world.store.set_away(true);
    pass(seconds(3500)).await;
    assert_eq!((world.source.count(), handle.status().state), (1, State::Degraded));
    pass(seconds(120)).await;
    assert_eq!(world.source.steps(), [Step::Login, Step::Login]);
    assert_eq!(handle.status().state, State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn the_least_interval_holds_across_a_restart() {
    let world = rotates().with(Policy { min_interval: seconds(4600), ..Policy::default() });
    stored(&world, 7, HOUR, false).await;
    let handle = world.open();
    assert!(handle.usable(PATIENCE).await.is_err());
    pass(seconds(980)).await;
    assert_eq!(world.source.count(), 0);
    pass(seconds(21)).await;
    assert_eq!(world.source.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_from_the_future_does_not_hold_requests_back() {
    let world = rotates().with(Policy { min_interval: seconds(15), ..Policy::default() });
    let grant = rotating(7, world.now() + HOUR * 24, HOUR);
    world.store.put(&Stored { number: 1, grant, refresh_sent: false, forced: false }).await;
    let handle = world.opened().await;
    assert!(handle.renewed_after(generation(1), PATIENCE).await.is_some());
}
