//! Plays the token core through thousands of generated histories of faults. Everything around it is simulated, time is
//! virtual, and each history is generated from a seed. `BEARERD_SEED=7 cargo test --test simulation` plays one again;
//! `BEARERD_HISTORIES=100000` plays that many, from seed 0 or `BEARERD_FIRST`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::disallowed_methods)]
#![allow(unreachable_pub)]

#[path = "simulation/caller.rs"]
mod caller;
#[path = "simulation/generate.rs"]
mod generate;
#[path = "simulation/history.rs"]
mod history;
#[path = "simulation/invariants/mod.rs"]
mod invariants;
#[path = "simulation/log.rs"]
mod log;
#[path = "simulation/mutation.rs"]
mod mutation;
#[path = "simulation/play.rs"]
mod play;
#[path = "simulation/process.rs"]
mod process;
#[path = "simulation/server.rs"]
mod server;
#[path = "simulation/shrink.rs"]
mod shrink;
#[path = "simulation/source.rs"]
mod source;
#[path = "simulation/store.rs"]
mod store;
#[path = "simulation/time.rs"]
mod time;
#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use invariants::{Violation, check};
use mutation::Mutation;
use play::play;

/// Enough to find most faults, within a minute.
const HISTORIES: u64 = 10_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

/// The rule that a seed's history breaks.
fn broken(seed: u64) -> Option<&'static str> {
    check(&play(&generate::history(seed), None)).map(|violation| violation.name)
}

/// The smallest part of a seed's history that breaks a rule; with all events if a single seed is played.
fn explain(seed: u64, tell: bool) -> String {
    let history = generate::history(seed);
    let Some(violation) = check(&play(&history, None)) else { return String::new() };
    let (least, violation) = shrink::shrink(&history, &violation, None);
    let log = if tell { play(&least, None).log } else { Vec::new() };
    let log: String = log.iter().map(|entry| format!("{:>10.3} {:?}\n", entry.at.as_secs_f64(), entry.event)).collect();
    let Violation { name, sentence, found } = violation;
    format!("\n{log}{name}: {sentence}\n  {found}\n\n{least}\n\nBEARERD_SEED={seed} cargo test --test simulation\n")
}

/// The seeds by the rule that they break. Each history has one thread; two are played at a time.
fn play_all(seeds: Range<u64>) -> BTreeMap<&'static str, Vec<u64>> {
    let next = AtomicU64::new(seeds.start);
    let rules = Mutex::new(BTreeMap::<_, Vec<u64>>::new());
    let play = || {
        while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds.end) {
            if let Some(rule) = broken(seed) {
                rules.lock().unwrap().entry(rule).or_default().push(seed);
            }
        }
    };
    std::thread::scope(|threads| (0..2).for_each(|_| drop(threads.spawn(play))));
    let mut rules = rules.into_inner().unwrap();
    rules.values_mut().for_each(|seeds| seeds.sort_unstable());
    rules
}

#[test]
fn every_rule_holds_in_every_history() {
    let one = number("BEARERD_SEED");
    let first = one.or_else(|| number("BEARERD_FIRST")).unwrap_or(0);
    let many = if one.is_some() { 1 } else { number("BEARERD_HISTORIES").unwrap_or(HISTORIES) };
    let rules = play_all(first..first + many);
    let explained: String = rules.values().map(|seeds| explain(seeds[0], one.is_some())).collect();
    assert!(rules.is_empty(), "\n{explained}\nthe seeds by the rule that they break: {rules:?}");
}

#[test]
fn a_seed_is_played_the_same_way_twice() {
    for seed in 0..50 {
        let history = generate::history(seed);
        let (once, again) = (play(&history, None).log, play(&history, None).log);
        let differs = std::iter::zip(&once, &again).find(|(once, again)| once != again);
        assert!(differs.is_none() && once.len() == again.len(), "{seed}: {differs:#?}");
    }
}

/// A mutation of an actor, and the rule that must detect it.
const MUTATIONS: &[(Mutation, &str)] = &[
    (Mutation::AsksTwice, "one_request_at_a_time"),
    (Mutation::GivesLeaseBack, "requests_are_made_under_the_lease"),
    (Mutation::HidesMarks, "marked_before_sent"),
    (Mutation::StoreForgetsMarks, "refresh_tokens_are_sent_once"),
    (Mutation::LogsInAlways, "logins_only_where_allowed"),
    (Mutation::Insists, "refusals_are_held"),
    (Mutation::Insists, "the_least_interval_holds"),
    (Mutation::Insists, "forced_renewals_are_bounded"),
    (Mutation::Insists, "failures_back_off"),
    (Mutation::MixesSubjects, "no_dead_or_foreign_token_is_sent"),
    (Mutation::LosesToken, "a_valid_token_is_kept"),
    (Mutation::HidesSaves, "saved_before_used"),
    (Mutation::RevokesInUse, "no_revoked_token_is_sent"),
    (Mutation::AnswersLate, "every_caller_is_answered"),
    (Mutation::RepeatsTheSame, "a_repeat_has_a_different_token"),
    (Mutation::StoreForgetsMarks, "a_refresh_token_under_way_is_left_alone"),
    (Mutation::ThrowsRepliesAway, "replies_that_arrived_are_read"),
    (Mutation::StandsInLine, "no_login_is_held_up"),
    (Mutation::StaysBroken, "every_owner_recovers"),
    (Mutation::StaysBroken, "mere_failures_are_over_soon"),
];

#[test]
fn every_rule_is_broken_by_an_actor_that_breaks_it() {
    for rule in invariants::ALL {
        let mutations = MUTATIONS.iter().filter(|(_, name)| *name == rule.name);
        let noticed = mutations.clone().all(|(mutation, _)| {
            (0..500).any(|seed| (rule.check)(&play(&generate::history(seed), Some(*mutation))).is_err())
        });
        assert!(noticed && mutations.count() > 0, "nothing breaks {}", rule.name);
    }
}
