//! Keys that need not be there.

use std::collections::BTreeSet;

use crate::document::Node;

/// A table's value, or its default where it was not written; `None` only for a wrong one.
pub(super) fn or<T>(node: Option<Node<'_>>, default: T, read: impl FnOnce(&Node<'_>) -> Option<T>) -> Option<T> {
    node.map_or(Some(default), |node| read(&node))
}

/// Like [`or`], where there is no default.
pub(super) fn optional<T>(node: Option<Node<'_>>, read: impl FnOnce(&Node<'_>) -> Option<T>) -> Option<Option<T>> {
    node.map_or(Some(None), |node| read(&node).map(Some))
}

/// `a, b and c` in order.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}
