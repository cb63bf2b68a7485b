//! Optional keys.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::document::{Node, Problems, Table};

/// The settings that a table means: `settings`, which holds the defaults, with what was written put in by `fill`.
pub(super) fn filled<T>(
    node: Option<&Node<'_>>,
    mut settings: T,
    problems: &Problems,
    fill: impl FnOnce(&Table<'_>, &mut T),
) -> Option<T> {
    let Some(node) = node else { return Some(settings) };
    let table = node.table(problems)?;
    fill(&table, &mut settings);
    let whole = !table.has_wrong_value();
    table.finish(problems);
    whole.then_some(settings)
}

/// Reads a duration longer than zero.
pub(super) fn lasting(node: &Node<'_>, problems: &Problems) -> Option<Duration> {
    let duration = node.duration(problems)?;
    if duration.is_zero() {
        node.error(
            problems,
            "the duration must be longer than zero",
            Some("write a longer duration, such as \"5s\"".into()),
        );
    }
    (!duration.is_zero()).then_some(duration)
}

/// The names in order, separated by commas.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}
