//! Refresh tokens: rotated, kept, dead.

use super::*;
use crate::token::fake::{error, rotating};
use crate::token::grant::{Grant, Life};
use crate::token::source::{MintError, Outcome, Step};

fn dead() -> MintError {
    MintError { grant_is_dead: true, ..error(Outcome::Rejected) }
}

/// A first login, then the script.
fn after_login(mut then: impl FnMut(usize, &Call) -> Result<Grant, MintError> + Send + 'static) -> World {
    World::new(move |number, call| {
        answer(if number == 1 { Ok(rotating(1, call.at, HOUR)) } else { then(number, call) })
    })
}

fn sent(world: &World) -> Vec<String> {
    world.source.calls().into_iter().filter_map(|call| call.refresh).collect()
}

#[tokio::test(start_paused = true)]
async fn each_refresh_sends_the_newest_refresh_token() {
    let world = after_login(|number, call| Ok(rotating(number, call.at, HOUR)));
    let _handle = world.opened().await;
    pass(HOUR * 3).await;
    assert_eq!(sent(&world)[..3], ["r1", "r2", "r3"]);
    assert_eq!(world.source.steps()[..3], [Step::Login, Step::Refresh, Step::Refresh]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_refresh_token_is_followed_by_one_login_at_once() {
    let world = after_login(|number, call| match call.step {
        Step::Refresh => Err(dead()),
        Step::Login => Ok(rotating(number, call.at, HOUR)),
    });
    let handle = world.opened().await;
    let token = handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    assert_eq!(world.source.steps(), [Step::Login, Step::Refresh, Step::Login]);
    assert_eq!((name(&token), token.generation), ("t3".to_owned(), generation(2)));
    pass(seconds(2750)).await;
    assert_eq!(sent(&world), ["r1", "r3"], "the new one is sent again");
}

#[tokio::test(start_paused = true)]
async fn a_dead_refresh_token_is_not_sent_again_when_its_login_fails() {
    let world = after_login(|_, call| match call.step {
        Step::Refresh => Err(dead()),
        Step::Login => Err(error(Outcome::Status)),
    });
    let _handle = world.opened().await;
    pass(HOUR).await;
    assert_eq!(sent(&world), ["r1"]);
    assert!(world.source.count() > 5);
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_becomes_no_login_and_keeps_the_refresh_token() {
    for outcome in [Outcome::Status, Outcome::Timeout, Outcome::Connect, Outcome::BadReply, Outcome::Rejected] {
        let world = after_login(move |_, _| Err(error(outcome)));
        let handle = world.opened().await;
        pass(HOUR * 3).await;
        let steps = world.source.steps();
        assert!(steps.len() > 5 && steps[1..].iter().all(|step| *step == Step::Refresh), "{outcome:?}");
        assert!(sent(&world).iter().all(|token| token == "r1"));
        drop(handle);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_without_login_holds_and_keeps_its_refresh_token() {
    let world = World::shaped(
        |source| source.login = false,
        |number, call| answer(if number == 1 { Ok(rotating(1, call.at, HOUR)) } else { Err(dead()) }),
    );
    let _handle = world.opened().await;
    pass(HOUR * 2).await;
    assert!(world.source.steps().iter().all(|step| *step == Step::Refresh));
    let tokens = sent(&world);
    assert!(tokens.len() > 5 && tokens.iter().all(|token| token == "r1"), "{tokens:?}");
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_finds_the_rotated_refresh_token_and_proves_itself() {
    let world =
        World::shaped(|source| source.login = false, |number, call| answer(Ok(rotating(number, call.at, HOUR))));
    let old = world.opened().await;
    let mut spec = world.spec("changed");
    spec.prove = true;
    let new = world.pool.open(spec);
    assert!(new.current(world.now()).is_none(), "the stored token proves nothing");
    assert_eq!(name(&new.usable(PATIENCE).await.unwrap()), "t2");
    assert_eq!(sent(&world), ["r1"]);
    drop(old);
    pass(HOUR).await;
    assert_eq!(sent(&world), ["r1", "r2"], "the store still has the name of the one that is left");
}

#[tokio::test(start_paused = true)]
async fn two_keepers_of_one_name_never_send_one_refresh_token_twice() {
    let world =
        World::shaped(|source| source.login = false, |number, call| (seconds(5), Ok(rotating(number, call.at, HOUR))));
    let old = world.opened().await;
    old.rejected(generation(1));
    pass(seconds(1)).await;
    let mut spec = world.spec("changed");
    spec.prove = true;
    assert!(world.pool.open(spec).usable(seconds(20)).await.is_ok());
    assert_eq!(sent(&world), ["r1", "r2"]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_that_can_log_in_does() {
    let world = after_login(|number, call| Ok(rotating(number, call.at, HOUR)));
    let _old = world.opened().await;
    let mut spec = world.spec("changed");
    spec.prove = true;
    world.pool.open(spec).usable(PATIENCE).await.unwrap();
    assert_eq!(world.source.steps(), [Step::Login, Step::Login]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_that_is_refused_leaves_the_old_token_alone() {
    let world = after_login(|_, _| Err(error(Outcome::Rejected)));
    let old = world.opened().await;
    let mut spec = world.spec("changed");
    spec.prove = true;
    assert!(world.pool.open(spec).usable(PATIENCE).await.is_err());
    assert_eq!(world.current(&old), Some("t1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_that_came_too_early_is_tried_when_the_least_interval_is_over() {
    let world =
        World::new(|number, call| answer(Ok(Grant { life: Life::UntilRejected, ..rotating(number, call.at, HOUR) })));
    let world = world.with(Policy { min_interval: seconds(15), ..Policy::default() });
    let _old = world.opened().await;
    let mut spec = world.spec("another secret");
    spec.prove = true;
    let new = world.pool.open(spec);
    pass(seconds(16)).await;
    assert_eq!((world.source.count(), world.current(&new)), (2, Some("t2".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn the_rejection_of_the_token_before_makes_no_login_needed() {
    let world = World::new(|number, call| answer(Ok(rotating(number, call.at, HOUR))));
    let handle = world.opened().await;
    handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    world.store.set_away(true);
    pass(HOUR * 9 / 10).await;
    assert_eq!(world.source.steps(), [Step::Login, Step::Refresh], "the second token can still be used");
}

#[tokio::test(start_paused = true)]
async fn a_reader_at_rest_gets_the_token_of_a_running_renewal_and_starts_none() {
    for while_used in [false, true] {
        let policy = Policy { while_used, ..Policy::default() };
        let world = World::new(|number, call| (seconds(3), Ok(rotating(number, call.at, HOUR)))).with(policy);
        // Saved by an earlier process, and due for renewal.
        let old = Stored { number: 1, grant: rotating(9, world.now(), HOUR), refresh_sent: false, forced: false };
        world.store.put(&old).await;
        pass(HOUR * 9 / 10).await;
        let handle = world.open();
        pass(seconds(1)).await;
        let token = handle.at_rest().await.unwrap();
        assert_eq!(name(&token), if while_used { "t9" } else { "t1" });
        let asked = world.source.count();
        pass(seconds(60)).await;
        assert_eq!(world.source.count(), asked);
    }
}
