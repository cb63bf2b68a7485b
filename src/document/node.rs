//! A value, and typed access to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::value::Value;

use super::hint::{NUMBER, TRUTH};
use super::problem::{Level, Place, Problem, Problems, nearest};
use super::quantity::{duration, size};
use super::{Document, hint};

/// One value with its key and its position.
#[derive(Clone, Debug)]
pub struct Node<'d> {
    pub(super) document: &'d Document,
    pub(super) value: &'d Value,
    pub(super) path: Vec<String>,
}

impl<'d> Node<'d> {
    pub(super) fn root(document: &'d Document) -> Self {
        Self { document, value: &document.root, path: Vec::new() }
    }

    pub(super) fn child(&self, name: impl Into<String>, value: &'d Value) -> Self {
        let mut path = self.path.clone();
        path.push(name.into());
        Self { document: self.document, value, path }
    }

    /// The dotted key, from the root.
    pub fn key(&self) -> String {
        self.path.join(".")
    }

    pub fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    pub fn place(&self) -> Place {
        self.document.place(self.value, &self.path)
    }

    /// Whether it comes from the environment, where every value is text.
    pub fn is_environment(&self) -> bool {
        self.document.source(self.value).is_some_and(|source| source.is_text)
    }

    /// The number of its layer; later layers have higher numbers.
    pub fn layer(&self) -> Option<usize> {
        self.document.layer(self.value)
    }

    /// The environment variable that would set a key beside this one.
    pub(super) fn variable_beside(&self, name: &str) -> Option<String> {
        let parents = self.path.split_last()?.1;
        self.document.source(self.value)?.variable_at(parents, name)
    }

    /// Resolves a path. A relative path in a file starts from the file's directory, so that the configuration works in
    /// every working directory; from the environment it starts from the working directory.
    pub fn path_beside(&self, written: &str) -> PathBuf {
        let source = self.document.source(self.value);
        source.and_then(|source| source.directory.as_deref()).unwrap_or(Path::new("")).join(written)
    }

    /// Reports an error at this value.
    pub fn error(&self, problems: &Problems, message: impl Into<String>, hint: Option<String>) {
        self.report(problems, Level::Error, message.into(), hint);
    }

    /// Reports a warning at this value.
    pub fn warn(&self, problems: &Problems, message: impl Into<String>, hint: Option<String>) {
        self.report(problems, Level::Warning, message.into(), hint);
    }

    fn report(&self, problems: &Problems, level: Level, message: String, hint: Option<String>) {
        problems.add(Problem { level, place: self.place(), key: self.key(), message, hint });
    }

    /// Reads one of these words.
    pub fn one_of<T: Clone>(&self, problems: &Problems, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(problems)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning.clone());
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let hint = match nearest(text, names.iter().copied()) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("one of: {}", names.join(", ")),
            };
            self.error(problems, format!("unknown value `{text}`"), Some(hint));
        }
        found
    }

    pub fn text(&self, problems: &Problems) -> Option<&'d str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_kind(problems, "text");
        }
        text
    }

    /// The text, or `None` if the value is of another kind. Reports nothing.
    pub fn as_text(&self) -> Option<&'d str> {
        self.value.as_str()
    }

    pub fn boolean(&self, problems: &Problems) -> Option<bool> {
        let truth = match (self.value, self.is_environment()) {
            (Value::Bool(_, truth), _) => Some(*truth),
            (Value::String(_, text), true) => text.trim().parse().ok(),
            _ => None,
        };
        if truth.is_none() {
            self.wrong_kind(problems, TRUTH);
        }
        truth
    }

    /// Reads a non-negative integer.
    pub fn integer(&self, problems: &Problems) -> Option<u64> {
        let number = match (self.value, self.is_environment()) {
            (Value::Num(_, number), _) => number.to_u128().or_else(|| u128::try_from(number.to_i128()?).ok()),
            (Value::String(_, text), true) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| u64::try_from(number).ok());
        if number.is_none() {
            self.wrong_kind(problems, NUMBER);
        }
        number
    }

    /// Reads a duration: `"250ms"`, `"90s"`, `"5m"`, `"1h30m"`, `"2d"`, `"0s"`.
    pub fn duration(&self, problems: &Problems) -> Option<Duration> {
        let read = self.value.as_str().and_then(duration);
        let meant = read.is_none().then(|| hint::for_duration(&self.written()?)).flatten();
        let hint = meant.map_or_else(
            || "add a unit, as in \"90s\", \"5m\" or \"1h\"".to_owned(),
            |meant| format!("add a unit: `\"{meant}\"`"),
        );
        self.quantity(problems, read, "a duration", hint)
    }

    /// Reads a size in bytes: `"512B"`, `"64KiB"`, `"1MiB"`.
    pub fn size(&self, problems: &Problems) -> Option<u64> {
        let bytes = self.value.as_str().and_then(size);
        let meant = bytes.is_none().then(|| hint::for_size(&self.written()?)).flatten();
        let hint = meant.map_or_else(
            || "add a unit, as in \"64KiB\" or \"1MiB\"".to_owned(),
            |meant| format!("add a unit: `\"{meant}\"`"),
        );
        self.quantity(problems, bytes, "a size", hint)
    }

    fn quantity<T>(&self, problems: &Problems, read: Option<T>, what: &str, hint: String) -> Option<T> {
        if read.is_none() {
            let found = self.value.as_str().map_or_else(String::new, |text| format!(", found {text:?}"));
            self.error(problems, format!("expected {what}{found}"), Some(hint));
        }
        read
    }

    /// Reads a list. Text from the environment is split at commas.
    pub fn list(&self, problems: &Problems) -> Option<Vec<Node<'d>>> {
        match self.value {
            Value::Array(_, values) => {
                Some(values.iter().enumerate().map(|(index, value)| self.child(index.to_string(), value)).collect())
            }
            _ => {
                self.wrong_kind(problems, "a list");
                None
            }
        }
    }

    /// Reads a list of texts. Text from the environment is split at commas.
    pub fn texts(&self, problems: &Problems) -> Option<Vec<String>> {
        if let (Value::String(_, text), true) = (self.value, self.is_environment()) {
            return Some(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect());
        }
        Some(self.list(problems)?.iter().filter_map(|node| node.text(problems)).map(str::to_owned).collect())
    }

    /// The value as JSON.
    pub fn json(&self) -> serde_json::Value {
        match self.value {
            Value::Dict(..) => {
                let entries = self.entries().into_iter().map(|node| (node.name().to_owned(), node.json()));
                serde_json::Value::Object(entries.collect())
            }
            Value::Array(_, values) => {
                let nodes = values.iter().enumerate().map(|(index, value)| self.child(index.to_string(), value));
                serde_json::Value::Array(nodes.map(|node| node.json()).collect())
            }
            other => serde_json::to_value(other).unwrap_or(serde_json::Value::Null),
        }
    }

    /// A table's values in the order of writing; none for other kinds.
    pub fn entries(&self) -> Vec<Node<'d>> {
        let Value::Dict(_, dict) = self.value else { return Vec::new() };
        let mut nodes: Vec<_> = dict.iter().map(|(name, value)| self.child(name, value)).collect();
        nodes.sort_by_key(|node| {
            node.document.source(node.value).map_or(usize::MAX, |source| source.offset(&node.path))
        });
        nodes
    }
}
