//! Shrinks a failing history.

use crate::history::History;
use crate::invariants::{Violation, check};
use crate::mutation::Mutation;
use crate::play::play;

/// The smallest history found that breaks the same rule, with the violation.
pub fn shrink(history: &History, violation: &Violation, mutation: Option<Mutation>) -> (History, Violation) {
    let mut smallest = (history.clone(), violation.clone());
    let mut size = history.steps.len().max(1);
    loop {
        let before = smallest.0.steps.len();
        for start in (0..before).step_by(size).rev() {
            let mut smaller = smallest.0.clone();
            smaller.steps.drain(start..(start + size).min(smaller.steps.len()));
            if let Some(same) = check(&play(&smaller, mutation)).filter(|found| found.name == violation.name) {
                smallest = (smaller, same);
            }
        }
        match size {
            1 if smallest.0.steps.len() == before => return smallest,
            _ => size = (size / 2).max(1),
        }
    }
}
