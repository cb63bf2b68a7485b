//! The configuration key of an environment variable.

use crate::document::{Document, Node, Place, Problem, Problems, nearest};
use crate::token::patch::title_case;

/// Variables of commands and flags, which are not configuration keys.
pub(super) const OF_FLAGS: &[&str] = &["BEARERD_CONFIG", "BEARERD_WATCH", "BEARERD_ADMIN"];

/// The tables of the configuration, for a hint about a single underscore.
pub(super) const TABLES: &[&str] = &["ADMIN", "FLOW", "LIMITS", "LOG", "RUNTIME", "STORE", "UPSTREAM"];

pub(super) fn report(problems: &Problems, name: &str, message: &str, hint: Option<String>) {
    let place = Place { origin: format!("environment variable {name}"), line: None };
    problems.add(Problem { place, message: message.to_owned(), hint, ..Problem::default() });
}

/// The key that a variable sets.
pub(super) fn key_of(name: &str, rest: &str, files: &Document, problems: &Problems) -> Option<Vec<String>> {
    let segments: Vec<_> = rest.split("__").map(str::to_lowercase).collect();
    if segments.iter().any(String::is_empty) {
        report(problems, name, "the key has an empty level", Some("`__` separates two levels".into()));
        return None;
    }
    if segments.len() == 1 && segments[0] != "flows" {
        report(problems, name, &format!("unknown configuration key `{name}`"), Some(hint_for(name, rest)));
        return None;
    }
    let mut path: Vec<String> = Vec::new();
    let mut here = Some(files.root());
    for segment in segments {
        let children = here.as_ref().map(Node::entries).unwrap_or_default();
        let known: Vec<_> = children.iter().filter(|child| normal(child.name()) == normal(&segment)).collect();
        if let [one, other, ..] = known[..] {
            let message = format!("`{name}` could mean `{}` or `{}`", one.key(), other.key());
            report(problems, name, &message, Some("set it in a file instead".into()));
            return None;
        }
        path.push(known.first().map_or_else(|| spelt(&path, &segment), |node| node.name().to_owned()));
        here = known.first().map(|node| (*node).clone());
    }
    Some(path)
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// How to spell a name that no file has: upstreams, flows and headers with dashes, keys with underscores. Header names
/// are sent as written, but a variable's name has no case.
fn spelt(parents: &[String], segment: &str) -> String {
    let dashes = || segment.replace('_', "-");
    match parents {
        [table] if table == "upstream" || table == "flow" => dashes(),
        [_, .., last] if last == "headers" || last == "defaults" => like_this(&dashes()),
        _ => segment.to_owned(),
    }
}

fn like_this(name: &str) -> String {
    if name.is_ascii() { title_case(name.bytes()).map(char::from).collect() } else { name.to_owned() }
}

fn hint_for(name: &str, rest: &str) -> String {
    let table = TABLES.iter().find_map(|table| Some((table, rest.strip_prefix(table)?.strip_prefix('_')?)));
    if let Some((table, key)) = table {
        return format!("`__` separates levels: did you mean `BEARERD_{table}__{key}`?");
    }
    match nearest(name, OF_FLAGS.iter().copied().chain(["BEARERD_FLOWS"])) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`__` separates levels, as in `BEARERD_LOG__LEVEL`; unset the variable if it is not for bearerd".into(),
    }
}
