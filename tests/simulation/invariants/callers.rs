//! What requests can rely on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Invariant, fail};
use crate::log::{Event, Run};

/// The resolution of timers.
const TICK: Duration = Duration::from_millis(1);

pub const ANSWERED: Invariant = Invariant {
    name: "every_caller_is_answered",
    sentence: "a request that waits for a token gets an answer by its deadline, whatever happens",
    check: answered,
};

pub const DIFFERENT: Invariant = Invariant {
    name: "a_repeat_has_a_different_token",
    sentence: "a request is repeated at most once, with a later and different token",
    check: different,
};

fn answered(run: &Run) -> Result<(), String> {
    let mut waiting = BTreeMap::new();
    for entry in &run.log {
        match &entry.event {
            Event::Called { id, owner, patience } => drop(waiting.insert(*id, (owner.run, *patience, true))),
            Event::GotToken { id, after, .. } => {
                let Some((_, patience, waits)) = waiting.get_mut(id) else { continue };
                *waits = false;
                if *after > *patience + TICK {
                    return fail(format!("request {id} waited {after:?} with a patience of {patience:?}"));
                }
            }
            Event::Ended { run } => waiting.retain(|_, (of, _, _)| of != run),
            _ => {}
        }
    }
    let end = run.log.last().map(|entry| entry.awake).unwrap_or_default();
    match waiting.into_iter().find(|(_, (_, patience, waits))| *waits && *patience + TICK < end) {
        Some((id, _)) => fail(format!("request {id} was never answered")),
        None => Ok(()),
    }
}

fn different(run: &Run) -> Result<(), String> {
    let mut sent = BTreeMap::new();
    for entry in &run.log {
        let Event::Forwarded { id, token, again, .. } = &entry.event else { continue };
        match sent.insert(*id, token) {
            None if *again => return fail(format!("request {id} was repeated before it was sent")),
            None => {}
            Some(first) if *again && first.access != token.access && first.generation < token.generation => {}
            Some(first) => return fail(format!("request {id} was sent with {first:?} and with {token:?}")),
        }
    }
    Ok(())
}
