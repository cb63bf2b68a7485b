//! The log lines about a token.

use super::*;
use crate::token::fake::error;
use crate::token::source::{MintError, Outcome};
use crate::token::status::State;

/// Collects log lines while it lives.
pub(super) struct Paper {
    file: tempfile::NamedTempFile,
    read: usize,
}

impl Paper {
    pub(super) fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false);
        let lines = lines.with_writer(Arc::new(file.reopen().unwrap()));
        (Self { file, read: 0 }, tracing::subscriber::set_default(lines.finish()))
    }

    /// The lines since the last look.
    pub(super) fn take(&mut self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file.path()).unwrap();
        let new: Vec<_> = text.lines().skip(self.read).map(|line| line.trim().to_owned()).collect();
        self.read += new.len();
        new
    }
}

/// Requests, one after the other: each makes the owner look at its token.
fn calling(handle: &TokenHandle) -> tokio::task::JoinSet<()> {
    let (mut callers, handle) = (tokio::task::JoinSet::new(), handle.clone());
    callers.spawn(async move {
        loop {
            let _ = handle.usable(seconds(1)).await;
            pass(Duration::from_millis(50)).await;
        }
    });
    callers
}

fn refusal() -> MintError {
    error(Outcome::Rejected)
}

/// One token of a minute, two failures of different kinds, tokens again.
fn troubled() -> World {
    World::new(|number, call| {
        answer(match number {
            2 => Err(error(Outcome::Status)),
            3 => Err(refusal()),
            _ => Ok(grant(number, call.at, seconds(60))),
        })
    })
}

fn while_used() -> Policy {
    Policy { while_used: true, ..Policy::default() }
}

#[test]
fn every_state_has_its_word() {
    assert_eq!(State::ALL.map(State::as_str), ["starting", "fresh", "degraded", "expired", "rejected"]);
}

#[tokio::test(start_paused = true)]
async fn each_change_of_a_tokens_state_is_one_log_line() {
    let (mut paper, _guard) = Paper::start();
    let world = troubled();
    let handle = world.opened().await;
    assert_eq!(paper.take(), [r#"INFO the token is fresh upstream="test" state="fresh""#]);
    while handle.status().state == State::Fresh {
        handle.changed().await;
    }
    assert_eq!(
        paper.take(),
        [r#"WARN the token is degraded: it was status upstream="test" state="degraded" action="wait""#]
    );
    while handle.status().state != State::Fresh {
        handle.changed().await;
    }
    let lines = paper.take();
    assert_eq!(lines.last().unwrap(), r#"INFO the token is fresh upstream="test" state="fresh""#);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_endpoint_is_logged_in_one_line_with_the_reason() {
    let (mut paper, _guard) = Paper::start();
    let swallows = |number: usize, call: &Call| {
        let takes = if number == 1 { Duration::ZERO } else { HOUR };
        (takes, Ok(grant(number, call.at, seconds(4))))
    };
    let handle = World::new(swallows).opened().await;
    let _caller = calling(&handle);
    pass(seconds(600)).await;
    assert_eq!(handle.status().state, State::Expired);
    let expired = r#"WARN the token is expired: it was timeout upstream="test" state="expired" action="wait""#;
    assert_eq!(paper.take()[1..], [expired]);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_during_a_slow_renewal_that_succeeds_is_not_logged() {
    let (mut paper, _guard) = Paper::start();
    let slow = |number: usize, call: &Call| {
        let takes = Duration::from_millis(if number == 2 { 1900 } else { 0 });
        (takes, Ok(grant(number, call.at, if number == 1 { seconds(4) } else { HOUR })))
    };
    let handle = World::new(slow).opened().await;
    let _caller = calling(&handle);
    let mut states = vec![State::Fresh];
    while handle.status().generation != Some(generation(2)) {
        pass(Duration::from_millis(10)).await;
        states.push(handle.status().state);
    }
    assert!(states.contains(&State::Expired));
    assert_eq!(paper.take().len(), 1, "fresh, once");
}

#[tokio::test(start_paused = true)]
async fn for_many_failing_subjects_only_their_number_is_logged() {
    let (mut paper, _guard) = Paper::start();
    let world = troubled().with(while_used());
    let mut handles = vec![world.pool.open(world.subject("anna"))];
    pass(seconds(1)).await;
    assert!(paper.take().is_empty());
    handles.push(world.pool.open(world.subject("bert")));
    pass(seconds(1)).await;
    assert_eq!(
        paper.take(),
        [r#"WARN the tokens of some subjects are failing: it was status upstream="test" subjects=1 action="wait""#]
    );
    handles.push(world.pool.open(world.subject("carl")));
    pass(Duration::from_millis(200)).await;
    assert_eq!(
        paper.take(),
        [
            r#"WARN the tokens of some subjects are refused: it was rejected upstream="test" subjects=1 action="replace_secret""#
        ]
    );
    handles.truncate(1);
    pass(seconds(1)).await;
    let mut lines = paper.take();
    lines.sort();
    let over = |what| format!(r#"INFO no subject's token is {what} any longer upstream="test""#);
    assert_eq!(lines, [over("failing"), over("refused")]);
}

#[tokio::test(start_paused = true)]
async fn a_problem_that_was_not_logged_ends_without_a_line() {
    let (mut paper, _guard) = Paper::start();
    let world = World::new(|_, _| answer(Err(refusal()))).with(while_used());
    for lines in [2, 0] {
        let handle = world.pool.open(world.subject("anna"));
        pass(seconds(1)).await;
        drop(handle);
        pass(seconds(1)).await;
        assert_eq!(paper.take().len(), lines, "it began and ended, the second time within a minute");
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_token_has_its_own_log_lines() {
    let world = World::steady(HOUR);
    let of_all = |spec: TokenSpec, while_used| TokenSpec {
        policy: Arc::new(Policy { while_used, ..Policy::default() }),
        ..spec
    };
    for (spec, is_told) in [
        (of_all(world.spec("a"), false), true),
        (of_all(TokenSpec { store_key: StoreKey::new(["b"]), ..world.spec("b") }, true), true),
        (of_all(world.subject("c"), false), true),
        (of_all(world.subject("d"), true), false),
    ] {
        let (mut paper, _guard) = Paper::start();
        let handle = world.pool.open(spec);
        handle.usable(PATIENCE).await.unwrap();
        pass(seconds(1)).await;
        assert_eq!(!paper.take().is_empty(), is_told);
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_that_gives_no_token_is_logged() {
    let world =
        World::new(|number, call| answer(if number == 1 { Ok(grant(1, call.at, HOUR)) } else { Err(refusal()) }));
    let old = world.opened().await;
    let (mut paper, _guard) = Paper::start();
    let new = world.pool.open(TokenSpec { prove: true, ..world.spec("changed") });
    pass(seconds(1)).await;
    let line = "WARN no token with the changed secret, the old one stays in use: it was rejected upstream=\"test\" \
        action=\"replace_secret\"";
    assert_eq!(paper.take(), [line]);
    drop((old, new));
}

#[tokio::test(start_paused = true)]
async fn an_unsaved_token_is_logged_once() {
    let (mut paper, _guard) = Paper::start();
    let world = World::steady(seconds(60));
    world.store.set_away(true);
    let _handle = world.opened().await;
    pass(seconds(300)).await;
    assert!(world.source.count() > 3);
    let unsaved: Vec<_> = paper.take().into_iter().filter(|line| line.contains("saved")).collect();
    assert_eq!(unsaved, [r#"WARN the new token is in use, but could not be saved: the disk is full upstream=test"#]);
}
