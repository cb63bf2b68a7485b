//! The environment: a layer of the configuration, and a source of secrets.

mod keys;
mod kubernetes;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use self::keys::{OF_FLAGS, key_of, report};
use crate::document::{Document, Layer, Problems};

/// The environment at the start of the process. Tests build their own.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    not_text: BTreeSet<String>,
}

/// Shows only names: the values may be credentials.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// The value of an environment variable.
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

impl Environment {
    /// A variable's value; an empty one counts as not set.
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

    /// The `BEARERD_…` variables as a layer. Names in the files decide where `_` stands for `-`.
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

#[cfg(test)]
mod tests;
