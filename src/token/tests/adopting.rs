//! Adopting grants of other processes with the same store, and the effect on the bounds.

use super::*;
use crate::secret::Secret;
use crate::token::fake::{error, rotating};
use crate::token::grant::Grant;
use crate::token::source::{Outcome, Step};

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
async fn a_planned_renewal_by_another_process_does_not_count_towards_the_bounds() {
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

#[tokio::test(start_paused = true)]
async fn the_store_cannot_extend_the_known_expiry_of_a_token() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(grant(1, call.at, HOUR)) } else { Err(error(Outcome::Status)) })
    });
    let handle = world.opened().await;
    // The same token, with a refresh token, by a clock that is a day ahead.
    others_save(&world, rotating(1, world.now() + seconds(86_400), HOUR), false).await;
    pass(HOUR).await;
    assert_eq!(world.current(&handle), None);
    assert_eq!(world.source.calls()[1].refresh.as_deref(), Some("r1"), "the refresh token is news");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_others_brought_back_may_be_sent_again() {
    let world = World::new(|number, call| match number {
        2 => answer(Err(error(Outcome::Status))),
        _ => answer(Ok(rotating(number, call.at, HOUR))),
    });
    let handle = world.opened().await;
    let kept =
        |number, refresh_sent| Stored { number, grant: rotating(1, world.now(), HOUR), refresh_sent, forced: false };
    world.store.put(&kept(1, true)).await;
    handle.rejected(generation(1));
    pass(Duration::from_millis(150)).await;
    world.store.put(&kept(9, false)).await;
    pass(seconds(10)).await;
    assert_eq!(world.source.steps(), [Step::Login, Step::Login, Step::Refresh]);
}

#[tokio::test(start_paused = true)]
async fn after_the_end_of_the_lease_no_refresh_token_is_sent() {
    let world = rotates();
    let handle = world.opened().await;
    world.store.moods.late.store(true, Ordering::Relaxed);
    handle.rejected(generation(1));
    pass(seconds(5)).await;
    assert_eq!(world.source.count(), 1, "another may have sent it");
    world.store.moods.late.store(false, Ordering::Relaxed);
    pass(seconds(20)).await;
    assert_eq!(world.source.steps(), [Step::Login, Step::Refresh]);
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_is_not_saved_again() {
    let world = rotates();
    let _handle = world.opened().await;
    pass(HOUR / 2).await;
    assert_eq!((world.source.count(), world.store.leases.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn forced_renewals_by_other_processes_count_towards_the_limit_and_planned_ones_do_not() {
    for (forced, next) in [(true, None), (false, Some("t2"))] {
        let world = rotates();
        let handle = world.opened().await;
        for number in 11..21 {
            let kept = Stored { number, grant: rotating(20, world.now(), HOUR), refresh_sent: false, forced };
            let access = Secret::new(format!("t{number}"));
            world.store.put(&Stored { grant: Grant { access, ..kept.grant.clone() }, ..kept }).await;
            world.store.tell(Change::Of(store_key()));
            pass(seconds(1)).await;
            handle.accepted(handle.generation());
        }
        let token = handle.renewed_after(generation(20), seconds(1)).await;
        assert_eq!(token.map(|token| name(&token)), next.map(str::to_owned));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_tried_again_after_ten_seconds() {
    let world = rotates();
    world.store.set_away(true);
    let _handle = world.opened().await;
    let tried = || world.store.leases.load(Ordering::Relaxed);
    pass(seconds(9)).await;
    assert_eq!(tried(), 1, "by the login");
    pass(seconds(2)).await;
    assert_eq!(tried(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_processs_token_with_the_same_number_has_a_new_generation() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    world.store.set_away(true);
    handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    world
        .store
        .put(&Stored { number: 2, grant: grant(9, world.now(), HOUR), refresh_sent: false, forced: false })
        .await;
    world.store.set_away(false);
    world.store.tell(Change::Any);
    pass(seconds(1)).await;
    assert_eq!((world.current(&handle), handle.generation()), (Some("t9".to_owned()), generation(3)));
}
