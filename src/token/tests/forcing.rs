//! Rejections by the API, forced renewals by an operator, and the bounds on both.

use super::*;
use crate::token::fake::error;
use crate::token::handle::shared::{KeeperId, Shared};
use crate::token::handle::view::ViewBuilder;
use crate::token::source::Outcome;
use crate::token::status::{Forced, State};

#[tokio::test(start_paused = true)]
async fn a_thousand_rejections_at_once_make_one_token_request() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    let herd: Vec<_> = (0..1000)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.renewed_after(generation(1), PATIENCE).await })
        })
        .collect();
    for request in herd {
        assert_eq!(name(&request.await.unwrap().unwrap()), "t2");
    }
    assert_eq!(world.source.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_rejection_of_an_older_token_gets_the_newer_one_at_once_and_asks_for_nothing() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    let before = world.now();
    let token = handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    handle.rejected(generation(1));
    assert_eq!((name(&token), world.now()), ("t2".to_owned(), before));
    pass(seconds(60)).await;
    assert_eq!(world.source.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_without_a_waiting_request_replaces_the_token_too() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    handle.rejected(generation(1));
    pass(seconds(1)).await;
    assert_eq!(world.current(&handle), Some("t2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_stays_in_use_while_there_is_no_other() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(grant(1, call.at, HOUR)) } else { Err(error(Outcome::Rejected)) })
    });
    let handle = world.opened().await;
    let before = world.now();
    assert_eq!(handle.renewed_after(generation(1), PATIENCE).await, None, "the hold is longer than the patience");
    assert!(world.now().since(before) < seconds(1));
    assert_eq!((world.current(&handle), handle.status().state), (Some("t1".to_owned()), State::Degraded));
}

#[tokio::test(start_paused = true)]
async fn after_a_rejection_a_failing_endpoint_is_asked_as_often_as_with_no_token() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(grant(1, call.at, HOUR * 10)) } else { Err(error(Outcome::Status)) })
    });
    let handle = world.opened().await;
    handle.rejected(generation(1));
    pass(HOUR).await;
    assert!(world.source.count() > 300, "{}", world.source.count());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_in_vain_makes_the_next_wait_and_the_waiting_is_refused_at_once() {
    let world = World::steady(HOUR * 10);
    let handle = world.opened().await;
    assert!(handle.renewed_after(generation(1), PATIENCE).await.is_some());
    for (present, wait) in [(2, 30), (3, 60), (4, 120)] {
        let before = world.now();
        assert_eq!(handle.renewed_after(generation(present), PATIENCE).await, None);
        assert_eq!(world.now(), before, "refused at once");
        pass(seconds(wait - 1)).await;
        assert_eq!(handle.renewed_after(generation(present), PATIENCE).await, None);
        pass(seconds(1)).await;
        assert!(handle.renewed_after(generation(present), PATIENCE).await.is_some(), "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_accepted_answer_makes_forced_renewals_free_again() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    for present in 1..6 {
        handle.accepted(generation(present));
        assert!(handle.renewed_after(generation(present), PATIENCE).await.is_some(), "{present}");
    }
    assert_eq!(handle.renewed_after(generation(6), PATIENCE).await, None);
    handle.accepted(generation(6));
    assert!(handle.renewed_after(generation(6), PATIENCE).await.is_some(), "accepted while it had to wait");
}

#[tokio::test(start_paused = true)]
async fn an_accepted_token_of_a_forced_renewal_speaks_for_those_that_follow_it() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    handle.accepted(generation(2));
    pass(HOUR).await;
    let present = handle.generation();
    assert!(present > generation(2), "renewed in the background");
    assert!(handle.renewed_after(present, PATIENCE).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_that_repeats_the_rejected_token_was_in_vain() {
    let world = World::new(|_, call| answer(Ok(grant(1, call.at, HOUR))));
    let handle = world.opened().await;
    assert_eq!(handle.renewed_after(generation(1), PATIENCE).await, None);
    let Forced::TooSoon(wait) = handle.force().await else { panic!("it was asked for again at once") };
    assert_eq!((wait, world.source.count()), (seconds(30), 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_an_older_token_frees_nothing() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    handle.accepted(generation(1));
    assert_eq!(handle.renewed_after(generation(2), PATIENCE).await, None);
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_than_ten_forced_renewals_in_a_minute() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    for _ in 0..600 {
        let present = handle.generation();
        handle.accepted(present);
        handle.renewed_after(present, PATIENCE).await;
        pass(Duration::from_millis(100)).await;
    }
    let forced = world.source.calls().into_iter().skip(1).map(|call| call.at).collect::<Vec<_>>();
    assert!(forced.windows(11).all(|eleven| eleven[10].since(eleven[0]) >= seconds(60)), "{forced:?}");
    assert!(forced.len() >= 10);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_rejects_everything_a_hundred_times_a_second_costs_few_token_requests_in_a_day() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    for _ in 0..86_400 {
        for _ in 0..100 {
            if let Some(token) = handle.current(world.now()) {
                handle.renewed_after(token.generation, Duration::ZERO).await;
            }
        }
        pass(seconds(1)).await;
    }
    // One per quarter of an hour makes 96 a day, and a few more at the beginning.
    let count = world.source.count();
    assert!((90..110).contains(&count), "{count}");
}

#[tokio::test(start_paused = true)]
async fn the_least_interval_binds_forced_renewals_too() {
    let world = World::steady(HOUR).with(Policy { min_interval: seconds(570), ..Policy::default() });
    let handle = world.opened().await;
    let before = world.now();
    assert_eq!(handle.renewed_after(generation(1), PATIENCE).await, None);
    assert_eq!(world.now(), before);
    assert!(matches!(handle.force().await, Forced::TooSoon(wait) if wait > seconds(560)));
    pass(seconds(565)).await;
    assert!(handle.renewed_after(generation(1), PATIENCE).await.is_some(), "due within its patience");
    let calls = world.source.calls();
    assert_eq!(calls[1].at.since(calls[0].at), seconds(570));
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_returns_the_new_generation() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    assert_eq!(handle.force().await, Forced::Renewed(generation(2)));
    assert_eq!(world.current(&handle), Some("t2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_forced_renewal_returns_the_reason_and_then_the_wait() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(grant(1, call.at, HOUR)) } else { Err(error(Outcome::Rejected)) })
    });
    let handle = world.opened().await;
    assert_eq!(handle.force().await, Forced::Failed("it was rejected".to_owned()));
    assert_eq!(handle.force().await, Forced::TooSoon(seconds(60)));
    assert_eq!(world.current(&handle), Some("t1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn orders_have_the_same_bounds() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    for _ in 0..10 {
        assert!(matches!(handle.force().await, Forced::Renewed(_)));
    }
    assert!(matches!(handle.force().await, Forced::TooSoon(_)));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_answer_makes_orders_free_again_too() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    handle.rejected(generation(2));
    assert!(matches!(handle.force().await, Forced::TooSoon(_)));
    handle.accepted(generation(2));
    assert_eq!(handle.force().await, Forced::Renewed(generation(3)));
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_that_fails_is_not_tried_more_than_ten_times_in_a_minute() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(grant(1, call.at, HOUR * 10)) } else { Err(error(Outcome::Status)) })
    });
    let handle = world.opened().await;
    handle.rejected(generation(1));
    pass(HOUR).await;
    let forced = world.source.calls().into_iter().skip(1).map(|call| call.at).collect::<Vec<_>>();
    assert!(forced.windows(11).all(|eleven| eleven[10].since(eleven[0]) >= seconds(60)));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_server_returns_again_keeps_its_generation() {
    let world = World::new(|_, call| answer(Ok(grant(1, call.at, HOUR))));
    let handle = world.opened().await;
    assert_eq!(handle.renewed_after(generation(1), PATIENCE).await, None);
    assert_eq!(handle.generation(), generation(1));
    assert_eq!(handle.renewed_after(generation(1), PATIENCE).await, None);
    assert_eq!(world.source.count(), 2, "and the bounds count it as renewed in vain");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_beyond_the_bounds_sends_no_message_to_the_keeper() {
    let (commands, mut received) = tokio::sync::mpsc::unbounded_channel();
    let clock = Arc::new(PausedClock::start());
    let now = clock.now();
    let shared = Arc::new(Shared::new(KeeperId(1), commands, clock));
    let mut view = ViewBuilder::default();
    view.forced_from = Some(now + seconds(30));
    shared.publish(&mut view);
    let handle = TokenHandle::new(shared);
    handle.rejected(generation(1));
    assert!(received.try_recv().is_err());
    handle.accepted(generation(1));
    handle.rejected(generation(1));
    assert!(received.try_recv().is_ok(), "an answer that accepted it may have freed the next one");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_during_a_renewal_forces_none() {
    let world = World::new(|number, call| {
        let takes = if number == 2 { seconds(5) } else { seconds(0) };
        (takes, Ok(grant(number, call.at, HOUR)))
    });
    let handle = world.opened().await;
    while world.source.count() == 1 {
        pass(seconds(1)).await;
    }
    for (rejected, next) in [(1, "t2"), (2, "t3")] {
        let token = handle.renewed_after(generation(rejected), PATIENCE).await;
        assert_eq!(token.map(|token| name(&token)), Some(next.to_owned()), "the second is forced, and the first such");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_is_allowed_after_the_time_it_was_told_to_wait() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    handle.renewed_after(generation(1), PATIENCE).await.unwrap();
    assert_eq!(handle.renewed_after(generation(2), PATIENCE).await, None, "in vain");
    let Forced::TooSoon(wait) = handle.force().await else { panic!("the bound holds for orders too") };
    pass(wait).await;
    assert_eq!(handle.force().await, Forced::Renewed(generation(3)));
}
