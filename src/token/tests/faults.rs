//! A store that is unreachable, leased by a suspended process, or damaged: which requests are still made, and what is
//! logged.

use super::reporting::Paper;
use super::*;
use crate::token::action::Action;
use crate::token::fake::rotating;
use crate::token::grant::Grant;
use crate::token::source::Step;
use crate::token::status::State;

/// A flow with refresh tokens.
fn rotates(login: bool) -> World {
    World::shaped(move |source| source.login = login, |number, call| answer(Ok(rotating(number, call.at, HOUR))))
}

/// Another process has stored this grant and sent its refresh token.
async fn sent_by_another(world: &World, age: Duration) {
    let stored = Stored { number: 7, grant: rotating(7, world.now() - age, HOUR), refresh_sent: true, forced: false };
    world.store.put(&stored).await;
}

fn break_with(world: &World, fault: StoreFault) {
    *world.store.moods.fault.lock().unwrap() = Some(fault);
    world.store.set_away(true);
}

fn action(handle: &TokenHandle) -> Option<Action> {
    handle.status().last_error.map(|error| error.action)
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_another_process_sent_is_not_sent_while_a_token_lives() {
    let world = rotates(false);
    sent_by_another(&world, seconds(60)).await;
    let handle = world.opened().await;
    assert_eq!((world.current(&handle), action(&handle)), (Some("t7".to_owned()), Some(Action::Wait)));
    pass(seconds(3500)).await;
    assert_eq!((world.source.count(), handle.status().state), (0, State::Degraded));
    pass(seconds(60)).await;
    assert_eq!(world.source.calls()[0].refresh.as_deref(), Some("r7"), "once more, when its token has ended");
    assert_eq!((world.source.count(), handle.status().state), (1, State::Fresh));
}

#[tokio::test(start_paused = true)]
async fn it_is_sent_at_once_where_no_token_lives_or_the_api_rejects_it() {
    let world = rotates(false);
    sent_by_another(&world, HOUR).await;
    world.opened().await;
    assert_eq!(world.source.calls()[0].refresh.as_deref(), Some("r7"));

    let world = rotates(false);
    sent_by_another(&world, seconds(60)).await;
    let handle = world.opened().await;
    handle.rejected(handle.generation());
    pass(seconds(5)).await;
    assert_eq!(world.source.calls()[0].refresh.as_deref(), Some("r7"));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_ends_the_wait_even_of_a_renewal_that_was_ordered_before() {
    let world = rotates(false);
    sent_by_another(&world, seconds(60)).await;
    let handle = world.opened().await;
    pass(seconds(600)).await;
    assert!(matches!(handle.force().await, crate::token::status::Forced::TooSoon(_)));
    pass(seconds(30)).await;
    drop(handle.force().await);
    handle.rejected(handle.generation());
    pass(seconds(11)).await;
    assert_eq!((world.source.count(), handle.status().state), (1, State::Fresh));
}

#[tokio::test(start_paused = true)]
async fn the_reply_that_its_sender_saves_at_last_is_taken_over() {
    let world = rotates(false);
    sent_by_another(&world, seconds(60)).await;
    let handle = world.opened().await;
    pass(seconds(100)).await;
    let saved = Stored { number: 8, grant: rotating(8, world.now(), HOUR), refresh_sent: false, forced: false };
    world.store.put(&saved).await;
    world.store.tell(Change::Any);
    pass(seconds(1)).await;
    assert_eq!((world.current(&handle), handle.status().state), (Some("t8".to_owned()), State::Fresh));
    assert_eq!(world.source.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_a_shared_store_is_away_a_token_with_a_refresh_token_is_used_to_its_end() {
    let world = rotates(true);
    world.store.shared.store(true, Ordering::Relaxed);
    let handle = world.opened().await;
    world.store.set_away(true);
    pass(seconds(3590)).await;
    assert_eq!((world.source.count(), handle.status().state), (1, State::Degraded));
    pass(seconds(9)).await;
    assert_eq!((world.source.count(), handle.status().state), (2, State::Fresh), "at the end, not after it");
    assert_eq!(world.source.steps(), [Step::Login, Step::Login]);
}

#[tokio::test(start_paused = true)]
async fn while_a_shared_store_is_away_a_used_up_refresh_token_brings_no_login_before_the_end() {
    crate::panics::watch();
    let world = World::new(|number, call| {
        assert!(number != 2, "on purpose: nobody knows what became of the refresh token");
        answer(Ok(rotating(number, call.at, HOUR)))
    });
    world.store.shared.store(true, Ordering::Relaxed);
    let handle = world.opened().await;
    while world.source.count() < 2 {
        pass(Duration::from_millis(1)).await;
    }
    world.store.set_away(true);
    while handle.status().state != State::Fresh || world.source.count() < 3 {
        assert!(world.source.count() < 3 || world.current(&handle) != Some("t1".to_owned()), "it lives");
        pass(seconds(1)).await;
    }
    assert!(world.now().since(world.source.calls()[0].at) > seconds(3590), "a login comes at the end");
}

#[tokio::test(start_paused = true)]
async fn while_a_shared_store_is_away_a_token_without_is_renewed_as_ever_and_nothing_is_said_of_one() {
    let (mut paper, _guard) = Paper::start();
    let world = World::steady(HOUR);
    world.store.shared.store(true, Ordering::Relaxed);
    let handle = world.opened().await;
    paper.take();
    break_with(&world, StoreFault::Away);
    pass(HOUR * 3).await;
    assert!(world.source.count() >= 4, "{}", world.source.count());
    assert_eq!((handle.status().state, paper.take()), (State::Fresh, Vec::<String>::new()), "the store has said it");
    world.store.set_away(false);
    pass(seconds(11)).await;
    assert_eq!(world.store.log().last(), Some(&"save"), "shared again");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_lease_holder_does_not_prevent_a_login() {
    let (mut paper, _guard) = Paper::start();
    for grant in [grant, rotating] {
        let world = World::new(move |number, call| answer(Ok(grant(number, call.at, seconds(60)))));
        world.store.moods.held.store(true, Ordering::Relaxed);
        let handle = world.open();
        assert!(handle.usable(PATIENCE).await.is_ok(), "within the time that a request waits");
        for _ in 0..600 {
            pass(seconds(1)).await;
            assert!(handle.usable(seconds(1)).await.is_ok());
        }
        assert!(world.source.steps().iter().all(|step| *step == Step::Login));
        assert!(world.source.count() < 20, "{}", world.source.count());
        let warnings: Vec<_> = paper.take().into_iter().filter(|line| line.starts_with("WARN")).collect();
        assert!(
            warnings.len() == 1 && warnings[0].contains("could not be saved: another process has it"),
            "{warnings:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspended_lease_holder_fails_no_request_with_short_tokens() {
    let world = World::steady(seconds(2));
    world.store.moods.held.store(true, Ordering::Relaxed);
    let handle = world.opened().await;
    for _ in 0..200 {
        pass(Duration::from_millis(97)).await;
        assert!(world.current(&handle).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_suspended_lease_holder_is_logged() {
    let (mut paper, _guard) = Paper::start();
    let world = rotates(false);
    world.store.moods.held.store(true, Ordering::Relaxed);
    let handle = world.open();
    pass(seconds(60)).await;
    assert_eq!((world.source.count(), action(&handle)), (0, Some(Action::Wait)));
    let lines = paper.take();
    assert!(lines.len() == 1 && lines[0].contains("another process has it"), "{lines:?}");
    assert!(lines[0].starts_with("WARN") && lines[0].contains("action=\"wait\""), "{lines:?}");
    world.store.moods.held.store(false, Ordering::Relaxed);
    pass(seconds(15)).await;
    assert_eq!(world.source.steps(), [Step::Refresh]);
}

#[tokio::test(start_paused = true)]
async fn no_message_advises_deleting_a_damaged_store() {
    let (mut paper, _guard) = Paper::start();
    let world = rotates(false);
    break_with(&world, StoreFault::Damaged);
    let handle = world.open();
    pass(HOUR).await;
    let error = handle.status().last_error.unwrap();
    assert_eq!((world.source.count(), error.action), (0, Action::AuthorizeAgain));
    assert!(!["delete", "out of the way"].iter().any(|advice| error.message.contains(advice)), "{}", error.message);
    assert!(error.message.contains("Authorize again"), "{}", error.message);
    let lines = paper.take();
    assert!(lines.len() == 1 && lines[0].contains("action=\"authorize_again\""), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_or_owner_asks_for_another_configuration_and_sends_nothing() {
    let world = rotates(false);
    break_with(&world, StoreFault::Misconfigured);
    let handle = world.open();
    pass(HOUR).await;
    assert_eq!((world.source.count(), action(&handle)), (0, Some(Action::FixConfiguration)));
}

#[tokio::test(start_paused = true)]
async fn a_flow_with_a_login_continues_with_a_damaged_store() {
    let world = rotates(true);
    break_with(&world, StoreFault::Damaged);
    let handle = world.opened().await;
    pass(seconds(3500)).await;
    assert_eq!((world.source.count(), action(&handle)), (1, Some(Action::FixConfiguration)));
    pass(seconds(300)).await;
    assert_eq!(world.source.steps(), [Step::Login, Step::Login]);
}

#[tokio::test(start_paused = true)]
async fn a_sibling_with_a_changed_secret_knows_what_became_of_a_refresh_token_that_this_process_sent() {
    let world = World::shaped(
        |source| source.login = false,
        |number, call| {
            let grant = Grant { ..rotating(number, call.at, HOUR) };
            answer(if number == 2 { Err(fake::error(crate::token::source::Outcome::Status)) } else { Ok(grant) })
        },
    );
    let old = world.opened().await;
    old.rejected(generation(1));
    pass(Duration::from_millis(150)).await;
    let mut spec = world.spec("changed");
    spec.prove = true;
    assert!(world.pool.open(spec).usable(seconds(1)).await.is_ok(), "it waits for nobody");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_keepers_turn_is_told_with_its_place_and_its_neighbours_are_renewed_meanwhile() {
    crate::panics::watch();
    let (mut paper, _guard) = Paper::start();
    let world = World::steady(seconds(40));
    let record = Arc::new(TokenRecord::new("turning"));
    let turning = world.pool.open(TokenSpec { record, store_key: StoreKey::new(["turning"]), ..world.spec("turning") });
    let neighbour = world.opened().await;
    turning.usable(PATIENCE).await.unwrap();
    let before = crate::panics::count();
    for _ in 0..3 {
        crate::panics::fault::arm("keeper", "turning");
        for _ in 0..60 {
            pass(seconds(1)).await;
            assert!(world.current(&neighbour).is_some());
        }
        assert!(world.current(&turning).is_some(), "looked at again, and renewed");
    }
    assert!(crate::panics::count() >= before + 3);
    let told: Vec<_> = paper.take().into_iter().filter(|line| line.starts_with("ERROR")).collect();
    assert!(told.len() == 3 && told.iter().all(|line| line.contains("src/panics.rs:")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stored_token_that_no_request_can_carry_is_taken_for_none() {
    let world =
        World::shaped(|source| source.unsendable = Some("t7"), |number, call| answer(Ok(grant(number, call.at, HOUR))));
    let stored = Stored { number: 7, grant: grant(7, world.now(), HOUR), refresh_sent: false, forced: false };
    world.store.put(&stored).await;
    let handle = world.opened().await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t1".to_owned()), 1));
}
