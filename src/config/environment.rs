//! Environment variables: a layer of the configuration, and where secrets are looked for.

mod kubernetes;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use crate::document::{Document, Layer, Node, Place, Problem, Problems, nearest};

/// The environment as it was when the process started. Tests make their own.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    not_text: BTreeSet<String>,
}

/// Names only: the values may be credentials.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// What an environment variable holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum VariableValue<'e> {
    Text(&'e str),
    Empty,
    NotText,
    Unset,
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(entries: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in entries {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name, value)),
                Err(_) => drop(environment.not_text.insert(name)),
            }
        }
        environment
    }
}

impl<'t> FromIterator<(&'t str, &'t str)> for Environment {
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t str)>>(entries: I) -> Self {
        entries.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
    }
}

/// Variables of commands and flags: no keys of the configuration.
const OF_FLAGS: &[&str] = &["BEARERD_CONFIG", "BEARERD_WATCH", "BEARERD_ADMIN"];

/// Tables of the configuration, for a hint when one underscore stands where two should.
const TABLES: &[&str] = &["ADMIN", "FLOW", "LIMITS", "LOG", "RUNTIME", "STORE", "UPSTREAM"];

impl Environment {
    /// A variable's value; an empty one counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn look_up(&self, name: &str) -> VariableValue<'_> {
        match self.variables.get(name) {
            Some(text) if text.is_empty() => VariableValue::Empty,
            Some(text) => VariableValue::Text(text),
            None if self.not_text.contains(name) => VariableValue::NotText,
            None => VariableValue::Unset,
        }
    }

    /// The `BEARERD_…` variables as a layer. Names that the files use tell where `_` stands for `-`.
    pub(super) fn layer(&self, files: &Document, problems: &Problems) -> Layer {
        let mut taken: BTreeMap<Vec<String>, &str> = BTreeMap::new();
        for name in self.not_text.iter().filter(|name| name.starts_with("BEARERD_")) {
            report(problems, name, "the value is not UTF-8 text", None);
        }
        for (name, value) in &self.variables {
            let Some(rest) = name.strip_prefix("BEARERD_") else { continue };
            if value.is_empty() || OF_FLAGS.contains(&name.as_str()) || kubernetes::injects(rest, value) {
                continue;
            }
            let Some(path) = key_of(name, rest, files, problems) else { continue };
            let clash = taken.iter().find(|(other, _)| other.starts_with(&path) || path.starts_with(other));
            if let Some((_, other)) = clash {
                let message = format!("`{name}` sets the same key as `{other}`");
                report(problems, name, &message, Some("unset one of them".into()));
                continue;
            }
            taken.insert(path, name);
        }
        let value = |name: &str| self.variables.get(name).cloned().unwrap_or_default();
        Layer::environment(taken.into_iter().map(|(path, name)| (path, name.to_owned(), value(name))))
    }
}

fn report(problems: &Problems, name: &str, message: &str, hint: Option<String>) {
    let place = Place { origin: format!("environment variable {name}"), line: None };
    problems.add(Problem { place, message: message.to_owned(), hint, ..Problem::default() });
}

/// The key that a variable sets.
fn key_of(name: &str, rest: &str, files: &Document, problems: &Problems) -> Option<Vec<String>> {
    let segments: Vec<_> = rest.split("__").map(str::to_lowercase).collect();
    if segments.iter().any(String::is_empty) {
        report(problems, name, "a level of the key has no name", Some("`__` stands between two levels".into()));
        return None;
    }
    if segments.len() == 1 && segments[0] != "flows" {
        report(problems, name, &format!("`{name}` is no key of the configuration"), Some(hint_for(name, rest)));
        return None;
    }
    let mut path: Vec<String> = Vec::new();
    let mut here = Some(files.root());
    for segment in segments {
        let children = here.as_ref().map(Node::entries).unwrap_or_default();
        let known: Vec<_> = children.iter().filter(|child| normal(child.name()) == normal(&segment)).collect();
        if let [one, other, ..] = known[..] {
            let message = format!("`{name}` could mean `{}` as well as `{}`", one.key(), other.key());
            report(problems, name, &message, Some("say it in a file instead".into()));
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

/// A name that no file uses: upstreams, flows and headers are written with dashes, keys with underscores.
fn spelt(parents: &[String], segment: &str) -> String {
    let dashes = match parents {
        [table] => table == "upstream" || table == "flow",
        [.., last] => last == "headers" || last == "defaults",
        [] => false,
    };
    if dashes { segment.replace('_', "-") } else { segment.to_owned() }
}

fn hint_for(name: &str, rest: &str) -> String {
    let table = TABLES.iter().find_map(|table| Some((table, rest.strip_prefix(table)?.strip_prefix('_')?)));
    if let Some((table, key)) = table {
        return format!("`__` goes one level down: did you mean `BEARERD_{table}__{key}`?");
    }
    match nearest(name, OF_FLAGS.iter().copied().chain(["BEARERD_FLOWS"])) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`__` goes one level down, as in `BEARERD_LOG__LEVEL`; unset it if it is not for bearerd".into(),
    }
}

#[cfg(test)]
mod tests;
