//! Generates a history from a seed. Actions come in clusters, because faults that do not coincide prove little.

use std::time::Duration;

use fastrand::Rng;

use crate::history::{Action, History, Refreshing, Reply, Setup, Step};

const HOUR: u64 = 3600;
const YEAR: u64 = 365 * 24 * HOUR;

/// The history of `seed`.
pub fn history(seed: u64) -> History {
    let mut rng = Rng::with_seed(seed);
    let setup = setup(&mut rng);
    let scale = setup.life.unwrap_or(600).clamp(40, HOUR);
    let span = scale * rng.u64(1..=3);
    let centres: Vec<_> = (0..rng.usize(2..=6)).map(|_| rng.u64(0..span * 1000)).collect();
    let mut steps: Vec<_> = (0..rng.usize(6..=40))
        .map(|_| {
            let near = if rng.bool() { 2_000 } else { 60_000 };
            let at = centres[rng.usize(..centres.len())] + rng.u64(0..near);
            Step { at: Duration::from_millis(at), action: action(&mut rng, &setup) }
        })
        .collect();
    steps.sort_by_key(|step| step.at);
    History { seed, setup, steps, healed: Duration::from_secs(span + 120) }
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

fn setup(rng: &mut Rng) -> Setup {
    let login = rng.u8(..4) > 0;
    let refresh = match login {
        true => pick(
            rng,
            &[Refreshing::No, Refreshing::Rotating, Refreshing::Rotating, Refreshing::Kept, Refreshing::ByAccess],
        ),
        false => pick(rng, &[Refreshing::Rotating, Refreshing::Rotating, Refreshing::Kept]),
    };
    let life = pick(rng, &[Some(2), Some(20), Some(60), Some(60), Some(300), Some(HOUR), Some(HOUR), Some(YEAR), None]);
    let subjects = pick(rng, &[0, 0, 0, 2]);
    let lasting = !login || rng.u8(..3) > 0;
    let mut setup = Setup {
        processes: if lasting { pick(rng, &[1, 1, 2, 3]) } else { 1 },
        subjects,
        login,
        refresh,
        life,
        refresh_in: pick(rng, &[None, None, None, Some(1), Some(30)]),
        exclusive: rng.u8(..4) == 0,
        // More than a quarter of the lifetime would leave no time for a second attempt.
        min_interval: if life.is_some_and(|life| life < 60) { 0 } else { pick(rng, &[0, 0, 0, 0, 15]) },
        while_used: subjects > 0 || rng.u8(..5) == 0,
        lasting,
        leases_expire: rng.bool(),
        revokes: rng.u8(..4) == 0,
    };
    // Where locks are waited for, processes could not learn in time that another one invalidated a token of two seconds.
    setup.exclusive &= life != Some(2) || setup.processes == 1 || setup.leases_expire;
    setup
}

fn action(rng: &mut Rng, setup: &Setup) -> Action {
    let process = rng.usize(..setup.processes);
    let subject = rng.u32(..setup.subjects.max(1));
    match rng.u8(..46) {
        0..=11 => Action::Call {
            process,
            subject,
            herd: pick(rng, &[1, 1, 1, 5]),
            repeatable: rng.u8(..4) > 0,
            patience: pick(rng, &[0, 1, 10, 10, 10]),
        },
        12..=13 => Action::Force { process, subject },
        14..=22 => Action::Replies { reply: reply(rng), times: pick(rng, &[1, 1, 1, 2, 3, 8]) },
        // A store in the process's own memory is never unreachable.
        23..=26 if !setup.lasting => Action::Die { sessions: false },
        23..=24 => Action::SlowStore { millis: rng.u64(100..8_000), seconds: rng.u64(1..60) },
        25..=26 => Action::BrokenStore { seconds: rng.u64(1..120), takes_effect: rng.bool() },
        27..=29 => Action::Crash { process, down: rng.u64(0..20) },
        30 => Action::Restart { process, down: rng.u64(0..20) },
        31 => Action::Pause { process, seconds: pick(rng, &[1, 5, 20, 45, 90]) },
        32..=33 => Action::Suspend { seconds: pick(rng, &[5, 50, 600, HOUR, 12 * HOUR]) },
        34 => Action::StepWall { process, seconds: pick(rng, &[-(HOUR as i64), -30, 5, 90, 86_400]) },
        35..=36 => Action::Die { sessions: rng.u8(..3) == 0 },
        37..=38 => Action::ApiRejects { seconds: pick(rng, &[1, 10, 60, 300]) },
        39 => Action::NewSecret { server_after: rng.u64(0..20), processes_after: rng.u64(0..20) },
        40..=43 if !setup.lasting => Action::Die { sessions: false },
        40 => Action::Cut { process, seconds: pick(rng, &[3, 10, 60]) },
        41..=43 => Action::CutAtMark { process, seconds: pick(rng, &[3, 10, 60, 200]) },
        _ => Action::FreezeAtRefresh { process, seconds: pick(rng, &[2, 8, 20, 45]) },
    }
}

fn reply(rng: &mut Rng) -> Reply {
    match rng.u8(..14) {
        0 => Reply::Late(rng.u64(1..13)),
        1 => Reply::Twice(rng.u64(0..20_000)),
        2 => Reply::Never { takes_effect: true },
        3 => Reply::Never { takes_effect: false },
        4 => Reply::Busy(pick(rng, &[0, 5, 60, 3600])),
        5 | 6 => Reply::Broken,
        7 => Reply::Unreachable,
        8 => Reply::Garbage,
        9 => Reply::Known,
        10 => Reply::Living(pick(rng, &[Some(0), Some(1), Some(YEAR), None])),
        11 | 12 => Reply::Refused,
        _ => Reply::DeadGrant,
    }
}
