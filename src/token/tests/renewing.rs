//! Timely renewal, and the effects of a failed one.

use super::*;
use crate::token::fake::{error, rotating};
use crate::token::grant::{Grant, Life};
use crate::token::source::Outcome;
use crate::token::status::State;

/// The times of the calls, in seconds after the first.
fn gaps(world: &World) -> Vec<f64> {
    let calls = world.source.calls();
    calls.windows(2).map(|pair| pair[1].at.since(pair[0].at).as_secs_f64()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_in_the_background_and_no_request_ever_waits() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    for _ in 0..24 * 60 {
        pass(seconds(60)).await;
        assert!(handle.current(world.now()).is_some());
    }
    assert!(gaps(&world).iter().all(|gap| (2340.0..2700.1).contains(gap)), "{:?}", gaps(&world));
    assert!(world.source.count() > 30);
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_keeps_the_token_to_its_end() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(grant(1, call.at, HOUR)) } else { Err(error(Outcome::Status)) })
    });
    let handle = world.opened().await;
    pass(seconds(2800)).await;
    assert_eq!((handle.status().state, world.current(&handle)), (State::Degraded, Some("t1".to_owned())));
    pass(seconds(790)).await;
    assert_eq!(world.current(&handle), Some("t1".to_owned()));
    pass(seconds(10)).await;
    assert_eq!((handle.status().state, world.current(&handle)), (State::Expired, None));
    assert!(world.source.count() > 8, "it kept trying");
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_of_a_day_there_is_a_token_within_ten_seconds_of_recovery() {
    let back = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&back);
    let world = World::new(move |number, call| {
        let well = number == 1 || answers.load(Ordering::Relaxed);
        answer(if well { Ok(grant(number, call.at, HOUR)) } else { Err(error(Outcome::Connect)) })
    });
    let handle = world.opened().await;
    pass(seconds(86_400)).await;
    assert_eq!(handle.status().state, State::Expired);
    back.store(true, Ordering::Relaxed);
    pass(Duration::from_millis(10_200)).await;
    assert_eq!(handle.status().state, State::Fresh);
    assert!(handle.status().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_longer_each_time_and_degrades_while_the_old_token_lives() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(grant(1, call.at, HOUR)) } else { Err(error(Outcome::Rejected)) })
    });
    let handle = world.opened().await;
    pass(seconds(2800)).await;
    assert_eq!(handle.status().state, State::Degraded);
    pass(seconds(800)).await;
    assert_eq!(handle.status().state, State::Rejected);
    pass(HOUR).await;
    let holds: Vec<_> = gaps(&world)[1..].iter().map(|gap| gap.floor()).collect();
    assert_eq!(holds[..6], [60.0, 120.0, 240.0, 480.0, 900.0, 900.0]);
}

#[tokio::test(start_paused = true)]
async fn a_success_starts_the_holds_anew() {
    let world = World::new(|number, call| {
        let well = number == 1 || number == 4;
        answer(if well { Ok(grant(number, call.at, HOUR)) } else { Err(error(Outcome::Rejected)) })
    });
    let _handle = world.opened().await;
    pass(HOUR * 2).await;
    let holds: Vec<_> = gaps(&world).iter().map(|gap| gap.floor()).collect();
    assert_eq!((&holds[1..3], &holds[4..6]), (&[60.0, 120.0][..], &[60.0, 120.0][..]));
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_new_subject_waits_through_a_failure_as_any_other() {
    let world = World::new(|number, call| {
        answer(if number < 3 { Err(error(Outcome::Status)) } else { Ok(grant(number, call.at, HOUR)) })
    });
    let handle = world.with(Policy { while_used: true, ..Policy::default() }).open();
    assert_eq!(name(&handle.usable(PATIENCE).await.unwrap()), "t3");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_and_clamped() {
    let world = World::new(|number, call| {
        let busy = crate::token::source::MintError { retry_after: Some(HOUR), ..error(Outcome::Status) };
        answer(if number == 1 { Err(busy) } else { Ok(grant(1, call.at, HOUR)) })
    });
    let handle = world.open();
    pass(seconds(299)).await;
    assert_eq!(world.source.count(), 1);
    pass(seconds(2)).await;
    assert_eq!(world.current(&handle), Some("t1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn after_a_suspend_the_token_is_renewed_promptly() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    world.clock.ahead.store(36_000, Ordering::Relaxed);
    assert_eq!(world.current(&handle), None, "its life ran on");
    pass(seconds(61)).await;
    assert_eq!(world.current(&handle), Some("t2".to_owned()));

    world.clock.ahead.store(72_000, Ordering::Relaxed);
    let before = world.now();
    assert_eq!(name(&handle.usable(PATIENCE).await.unwrap()), "t3", "a request need not wait for the timer");
    assert!(world.now().since(before) < seconds(1));
}

#[tokio::test(start_paused = true)]
async fn a_life_of_zero_is_paced_as_a_failure_and_its_refresh_token_kept() {
    let world = World::new(|number, call| answer(Ok(rotating(number, call.at, Duration::ZERO))));
    let handle = world.open();
    pass(HOUR).await;
    assert_eq!(handle.status().state, State::Expired);
    let count = world.source.count();
    assert!((360..900).contains(&count), "{count}");
    let sent: Vec<_> = world.source.calls().into_iter().filter_map(|call| call.refresh).take(3).collect();
    assert_eq!(sent, ["r1", "r2", "r3"]);
}

#[tokio::test(start_paused = true)]
async fn a_life_of_a_second_is_one_request_a_second_at_most() {
    let world = World::steady(seconds(1));
    let handle = world.opened().await;
    pass(seconds(1000)).await;
    assert!((900..=1002).contains(&world.source.count()), "{}", world.source.count());
    assert!(handle.usable(PATIENCE).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_token_of_unknown_life_is_never_renewed_but_replaced_when_rejected() {
    let world =
        World::new(|number, call| answer(Ok(Grant { life: Life::UntilRejected, ..grant(number, call.at, HOUR) })));
    let handle = world.opened().await;
    pass(HOUR * 1000).await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t1".to_owned()), 1));
    handle.accepted(generation(1));
    let token = handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    assert_eq!(name(&token), "t2");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_repeats_its_token_is_asked_again_shortly_before_the_tokens_end_and_at_it() {
    for (early, most, missing) in [(0, 32, 10), (10, 22, 0)] {
        // One token per hour, issued a little before the hour begins.
        let world = World::new(move |_, call| {
            let hour = (call.at.since_start().as_secs() + early) / 3600;
            let end = Moment::from_start(seconds((hour + 1) * 3600));
            answer(Ok(Grant { life: Life::Until(end), ..grant(hour as usize, call.at, HOUR) }))
        });
        let handle = world.opened().await;
        let mut without = 0;
        for _ in 0..100_000 {
            pass(Duration::from_millis(360)).await;
            without += u32::from(world.current(&handle).is_none());
        }
        assert!(world.source.count() <= most, "{} requests", world.source.count());
        assert!(without <= 2 * missing, "{without} looks without a token");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_puts_off_the_end_of_its_one_token_is_asked_at_the_usual_pace() {
    let steady =
        |_: usize, call: &Call| answer(Ok(Grant { refresh_in: Some(seconds(1)), ..grant(1, call.at, seconds(2)) }));
    let world = World::new(steady);
    let handle = world.opened().await;
    for _ in 0..1000 {
        pass(Duration::from_millis(10)).await;
        assert!(world.current(&handle).is_some(), "{} requests", world.source.count());
    }
}

#[tokio::test(start_paused = true)]
async fn a_subjects_token_sleeps_while_unused_and_wakes_with_its_next_use() {
    let world = World::steady(HOUR).with(Policy { while_used: true, ..Policy::default() });
    let handle = world.opened().await;
    pass(seconds(2750)).await;
    assert_eq!(world.source.count(), 2, "its first request counts as use");
    pass(seconds(3000)).await;
    assert_eq!(world.source.count(), 2, "nobody used the second token");
    assert_eq!(world.current(&handle), Some("t2".to_owned()), "the request that wakes it does not wait");
    pass(seconds(1)).await;
    assert_eq!(world.current(&handle), Some("t3".to_owned()));
    pass(seconds(2750)).await;
    assert_eq!(world.source.count(), 4);
    pass(HOUR * 100).await;
    assert_eq!(world.source.count(), 4);
    assert_eq!(name(&handle.usable(PATIENCE).await.unwrap()), "t5", "an expired one wakes too");
}

#[tokio::test(start_paused = true)]
async fn an_unused_subjects_failures_cost_nothing() {
    let policy = Policy { while_used: true, ..Policy::default() };
    let world = World::new(|_, _| answer(Err(error(Outcome::Status)))).with(policy);
    let handle = world.open();
    assert!(handle.usable(seconds(2)).await.is_err());
    let count = world.source.count();
    pass(HOUR).await;
    assert!(world.source.count() <= count + 1, "{} after {count}", world.source.count());
}

#[tokio::test(start_paused = true)]
async fn the_bound_on_forced_renewals_puts_no_planned_one_off() {
    let world = World::new(|number, call| {
        answer(if number == 3 { Err(error(Outcome::Status)) } else { Ok(grant(number, call.at, seconds(40))) })
    });
    let handle = world.opened().await;
    handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    let second = world.now();
    pass(seconds(20)).await;
    assert_eq!(handle.renewed_after(generation(2), PATIENCE).await, None, "in vain: no forced one for 30 s");
    pass(seconds(29)).await;
    let planned: Vec<_> = world.source.calls()[2..].iter().map(|call| call.at.since(second).as_secs()).collect();
    assert!(planned.len() == 2 && planned[0] >= 25 && planned[1] < 49, "{planned:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_token_call_is_a_failed_attempt_and_the_owner_lives_on() {
    crate::panics::watch();
    let before = crate::panics::count();
    let world = World::new(|number, call| {
        assert!(number != 2 && number != 3, "on purpose");
        answer(Ok(grant(number, call.at, HOUR)))
    });
    let spec = world.spec("secret");
    let record = Arc::clone(&spec.record);
    let handle = world.pool.open(spec);
    handle.usable(PATIENCE).await.unwrap();
    for _ in 0..350 {
        pass(seconds(10)).await;
        assert!(world.current(&handle).is_some());
    }
    assert_eq!((handle.status().state, world.current(&handle)), (State::Fresh, Some("t4".to_owned())));
    assert!(crate::panics::count() >= before + 2);
    let bad = record.token_requests().find(|(kind, outcome, _)| (*kind, *outcome) == ("login", "bad_reply"));
    assert_eq!(bad, Some(("login", "bad_reply", 2)), "the calls are counted as such");
}
