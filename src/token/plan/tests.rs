use proptest::prelude::*;

use super::*;

fn at(milliseconds: u64) -> Moment {
    Moment::from_start(Duration::from_millis(milliseconds))
}

/// Asked for at 1,000 s.
fn grant_times(life: u64, refresh_in: Option<u64>, jitter: f64) -> GrantTimes {
    let issued = at(1_000_000);
    let life = Life::Until(issued + Duration::from_secs(life));
    GrantTimes { issued, life, refresh_in: refresh_in.map(Duration::from_secs), repeated: false, jitter }
}

fn after(grant_times: GrantTimes, policy: &Policy) -> Option<f64> {
    grant_times.renewal(policy).map(|moment| moment.since(grant_times.issued).as_secs_f64())
}

#[test]
fn renewal_is_due_between_65_and_75_percent_of_the_life() {
    let policy = Policy::default();
    for (jitter, due) in [(0.0, 2340.0), (0.5, 2520.0), (1.0, 2700.0)] {
        let renewal = after(grant_times(3600, None, jitter), &policy).unwrap();
        assert!((renewal - due).abs() < 0.001, "{jitter}: {renewal}");
    }
}

#[test]
fn the_servers_wish_wins_within_10_and_90_percent_of_the_life() {
    let exclusive = Policy { exclusive: true, ..Policy::default() };
    for policy in [Policy::default(), exclusive] {
        for (wish, due) in [(0, 360.0), (359, 360.0), (1800, 1800.0), (3241, 3240.0), (999_999, 3240.0)] {
            assert_eq!(after(grant_times(3600, Some(wish), 0.5), &policy), Some(due), "{wish}");
        }
    }
}

#[test]
fn exclusive_flows_renew_a_margin_before_the_end_or_at_three_quarters() {
    let policy = Policy { exclusive: true, ..Policy::default() };
    assert_eq!(after(grant_times(3600, None, 0.0), &policy), Some(3540.0));
    assert_eq!(after(grant_times(100, None, 0.0), &policy), Some(75.0));
}

#[test]
fn a_token_of_unknown_life_is_kept_until_something_happens() {
    let unknown = GrantTimes { life: Life::UntilRejected, ..grant_times(1, None, 0.5) };
    let mut situation = Situation { grant_times: Some(unknown), in_use: true, ..Situation::default() };
    assert_eq!(decide(at(u64::MAX), &situation, &Policy::default()), Decision::WaitForNudge);
    situation.forced = true;
    assert_eq!(decide(at(1_000_001), &situation, &Policy::default()), Decision::Mint);
}

#[test]
fn a_wish_without_a_life_is_granted_but_never_within_a_minute() {
    for (wish, due) in [(0, 60.0), (59, 60.0), (1800, 1800.0)] {
        let unknown = GrantTimes { life: Life::UntilRejected, ..grant_times(1, Some(wish), 0.5) };
        assert_eq!(after(unknown, &Policy::default()), Some(due), "{wish}");
    }
}

#[test]
fn a_repeated_token_is_asked_for_again_shortly_before_its_end_and_at_it() {
    for (life, due) in [(600, 592.0), (40, 32.0), (10, 8.0), (8, 8.0), (1, 1.0)] {
        let repeated = GrantTimes { repeated: true, ..grant_times(life, Some(1), 0.0) };
        assert_eq!(after(repeated, &Policy::default()), Some(due));
    }
}

#[test]
fn a_repeated_token_with_a_later_end_is_renewed_as_any_other() {
    let grant = crate::token::fake::grant(1, at(1_000_000), Duration::from_secs(600));
    let before = |ago: u64, end: u64| Some((at(1_000_000 - ago * 1000), Life::Until(at(1_000_000 + end * 1000))));
    assert!(GrantTimes::new(&grant, before(60, 600), 0.5).repeated);
    assert!(GrantTimes::new(&grant, before(60, 599), 0.5).repeated, "the rounding of expires_in");
    assert!(!GrantTimes::new(&grant, before(60, 540), 0.5).repeated, "its end was put off");
    assert!(!GrantTimes::new(&grant, before(1, 599), 0.5).repeated, "by no more than has passed");
    assert!(!GrantTimes::new(&grant, None, 0.5).repeated);
}

#[test]
fn however_short_the_life_a_renewal_is_never_planned_within_a_second() {
    for (life, due) in [(0, 1.0), (1, 1.0), (2, 1.4)] {
        assert_eq!(after(grant_times(life, None, 0.5), &Policy::default()), Some(due), "{life}");
    }
}

#[test]
fn the_minimum_interval_applies_to_forced_renewals_too() {
    let policy = Policy { min_interval: Duration::from_secs(570), ..Policy::default() };
    let mut situation = Situation {
        grant_times: Some(grant_times(600, None, 0.0)),
        last_request: Some(at(1_000_000)),
        ..Situation::default()
    };
    for forced in [false, true] {
        situation.forced = forced;
        assert_eq!(decide(at(1_400_000), &situation, &policy), Decision::WaitUntil(at(1_570_000)), "{forced}");
    }
    assert_eq!(decide(at(1_570_000), &situation, &policy), Decision::Mint);
}

#[test]
fn a_failure_is_waited_out_even_when_forced() {
    let grant_times = Some(grant_times(600, None, 0.0));
    let situation =
        Situation { grant_times, retry_at: Some(at(1_100_000)), forced: true, in_use: true, last_request: None };
    assert_eq!(decide(at(1_050_000), &situation, &Policy::default()), Decision::WaitUntil(at(1_100_000)));
    assert_eq!(decide(at(1_100_000), &situation, &Policy::default()), Decision::Mint);
}

#[test]
fn a_subjects_token_is_renewed_only_while_used_but_fetched_at_once() {
    let policy = Policy { while_used: true, ..Policy::default() };
    let mut situation = Situation::default();
    assert_eq!(decide(at(1), &situation, &policy), Decision::Mint, "the first");
    situation.grant_times = Some(grant_times(600, None, 0.0));
    assert_eq!(decide(at(1_500_000), &situation, &policy), Decision::WaitForNudge);
    situation.in_use = true;
    assert_eq!(decide(at(1_500_000), &situation, &policy), Decision::Mint);
}

prop_compose! {
    fn policies()(margin in 0_u64..600, least in 0_u64..600, exclusive: bool, while_used: bool) -> Policy {
        let (margin, min_interval) = (Duration::from_secs(margin), Duration::from_secs(least));
        Policy { margin, min_interval, exclusive, while_used, ..Policy::default() }
    }
}

prop_compose! {
    fn lives()(
        life in proptest::option::of(0_u64..100_000),
        refresh_in in proptest::option::of(0_u64..200_000),
        repeated: bool,
        jitter in 0.0..=1.0,
    ) -> GrantTimes {
        let known = grant_times(life.unwrap_or_default(), refresh_in, jitter);
        let life = if life.is_some() { known.life } else { Life::UntilRejected };
        GrantTimes { life, repeated, ..known }
    }
}

prop_compose! {
    fn situations()(
        grant_times in proptest::option::of(lives()),
        last in proptest::option::of(900_000_u64..1_100_000),
        retry in proptest::option::of(900_000_u64..1_500_000),
        forced: bool,
        in_use: bool,
    ) -> Situation {
        Situation { grant_times, last_request: last.map(at), retry_at: retry.map(at), forced, in_use }
    }
}

proptest! {
    #[test]
    fn no_request_comes_before_the_minimum_interval_or_the_end_of_a_pause(
        now in 900_000_u64..200_000_000, situation in situations(), policy in policies(),
    ) {
        if decide(at(now), &situation, &policy) == Decision::Mint {
            prop_assert!(situation.last_request.is_none_or(|last| at(now) >= last + policy.min_interval));
            prop_assert!(situation.retry_at.is_none_or(|retry| at(now) >= retry));
        }
    }

    #[test]
    fn a_wait_ends_in_the_future_and_then_in_a_request_or_in_sleep(
        now in 900_000_u64..200_000_000, situation in situations(), policy in policies(),
    ) {
        if let Decision::WaitUntil(moment) = decide(at(now), &situation, &policy) {
            prop_assert!(moment > at(now));
            let then = decide(moment, &situation, &policy);
            let asleep = policy.while_used && !situation.in_use && !situation.forced;
            prop_assert_eq!(then, if asleep && (situation.grant_times.is_some() || situation.retry_at.is_some()) {
                Decision::WaitForNudge
            } else {
                Decision::Mint
            });
        }
    }

    #[test]
    fn a_token_in_use_is_renewed_without_a_nudge(
        now in 900_000_u64..200_000_000, situation in situations(), policy in policies(),
    ) {
        let situation = Situation { in_use: true, ..situation };
        if decide(at(now), &situation, &policy) == Decision::WaitForNudge {
            let grant_times = situation.grant_times.unwrap();
            prop_assert!(!situation.forced && situation.retry_at.is_none());
            prop_assert_eq!(grant_times.life, Life::UntilRejected);
            prop_assert!(grant_times.refresh_in.is_none());
        }
    }

    #[test]
    fn a_renewal_falls_within_the_life(grant_times in lives(), policy in policies()) {
        if let (Life::Until(end), Some(renewal)) = (grant_times.life, grant_times.renewal(&policy)) {
            prop_assert!(renewal >= grant_times.issued + LEAST_PACE);
            prop_assert!(renewal <= end.max(grant_times.issued + LEAST_PACE));
        }
    }
}
