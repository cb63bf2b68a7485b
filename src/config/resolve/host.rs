//! Host names.

use std::net::IpAddr;

use crate::document::{Node, Problems};

/// Reads a host name or address without scheme or port, and lowercases it.
pub(super) fn read(node: &Node<'_>, text: &str, problems: &Problems) -> Option<String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().is_ok();
    let label =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let name = text.strip_suffix('.').unwrap_or(text).split('.').all(label);
    if !(address || name) {
        let hint = "write only the name, without scheme, port or path";
        node.error(problems, format!("invalid host name `{text}`"), Some(hint.into()));
        return None;
    }
    Some(if address { bare.to_lowercase() } else { text.trim_end_matches('.').to_lowercase() })
}
