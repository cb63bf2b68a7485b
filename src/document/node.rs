//! Typed reading of one value.

use std::cell::RefCell;
use std::time::Duration;

use figment::value::{Dict, Value};

use super::Document;
use super::problem::{Level, Place, Problem, Problems, nearest};

/// One value: what it is, what it is called, where it stands.
#[derive(Clone, Debug)]
pub struct Node<'d> {
    document: &'d Document,
    value: &'d Value,
    path: Vec<String>,
}

/// What kind of value was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text; everything from the environment is.
    Text,
    /// A whole number.
    Integer,
    /// A number with a point.
    Float,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
    /// A table.
    Table,
}

impl<'d> Node<'d> {
    pub(super) fn root(document: &'d Document) -> Self {
        Self { document, value: &document.root, path: Vec::new() }
    }

    fn child(&self, name: impl Into<String>, value: &'d Value) -> Self {
        let mut path = self.path.clone();
        path.push(name.into());
        Self { document: self.document, value, path }
    }

    /// The dotted key, from the top.
    pub fn key(&self) -> String {
        self.path.join(".")
    }

    /// The last part of the key.
    pub fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// File and line.
    pub fn place(&self) -> Place {
        self.document.place(self.value, &self.path)
    }

    /// What kind of value it is.
    pub fn kind(&self) -> Kind {
        match self.value {
            Value::String(..) | Value::Char(..) | Value::Empty(..) => Kind::Text,
            Value::Bool(..) => Kind::Boolean,
            Value::Num(_, number) if number.to_f64().is_some() => Kind::Float,
            Value::Num(..) => Kind::Integer,
            Value::Array(..) => Kind::List,
            Value::Dict(..) => Kind::Table,
        }
    }

    /// Whether it comes from the environment, where everything is text.
    pub fn is_environment(&self) -> bool {
        self.document.source(self.value).is_some_and(|source| source.is_text)
    }

    /// Reports an error here.
    pub fn error(&self, problems: &Problems, message: impl Into<String>, hint: Option<String>) {
        self.report(problems, Level::Error, message.into(), hint);
    }

    /// Reports a warning here.
    pub fn warn(&self, problems: &Problems, message: impl Into<String>, hint: Option<String>) {
        self.report(problems, Level::Warning, message.into(), hint);
    }

    fn report(&self, problems: &Problems, level: Level, message: String, hint: Option<String>) {
        problems.add(Problem { level, place: self.place(), key: self.key(), message, hint });
    }

    fn wrong_kind(&self, problems: &Problems, wanted: &str) {
        let found = match self.kind() {
            Kind::Text => "text",
            Kind::Integer => "a number",
            Kind::Float => "a number with a point",
            Kind::Boolean => "true or false",
            Kind::List => "a list",
            Kind::Table => "a table",
        };
        let hint = (wanted == "text" && !matches!(self.kind(), Kind::List | Kind::Table))
            .then(|| "put it in quotes, so that it stays as you wrote it".to_owned());
        self.error(problems, format!("expected {wanted}, found {found}"), hint);
    }

    /// Text.
    pub fn text(&self, problems: &Problems) -> Option<&'d str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_kind(problems, "text");
        }
        text
    }

    /// Text, or nothing if the value is of another kind; reports nothing.
    pub fn as_text(&self) -> Option<&'d str> {
        self.value.as_str()
    }

    /// `true` or `false`.
    pub fn boolean(&self, problems: &Problems) -> Option<bool> {
        let truth = match (self.value, self.is_environment()) {
            (Value::Bool(_, truth), _) => Some(*truth),
            (Value::String(_, text), true) => text.trim().parse().ok(),
            _ => None,
        };
        if truth.is_none() {
            self.wrong_kind(problems, "true or false");
        }
        truth
    }

    /// A whole number that is not negative.
    pub fn integer(&self, problems: &Problems) -> Option<u64> {
        let number = match (self.value, self.is_environment()) {
            (Value::Num(_, number), _) => number.to_u128().or_else(|| u128::try_from(number.to_i128()?).ok()),
            (Value::String(_, text), true) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| u64::try_from(number).ok());
        if number.is_none() {
            self.wrong_kind(problems, "a whole number that is not negative");
        }
        number
    }

    /// A duration: `"250ms"`, `"90s"`, `"5m"`, `"1h30m"`, `"2d"`, `"0s"`.
    pub fn duration(&self, problems: &Problems) -> Option<Duration> {
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let milliseconds = self.value.as_str().and_then(|text| quantity(text, &units));
        self.quantity(problems, milliseconds, "a duration", "write it with a unit, like \"90s\", \"5m\" or \"1h\"")
            .map(Duration::from_millis)
    }

    /// A size in bytes: `"512B"`, `"64KiB"`, `"1MiB"`.
    pub fn size(&self, problems: &Problems) -> Option<u64> {
        let units = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        let bytes = self.value.as_str().and_then(|text| quantity(text, &units));
        self.quantity(problems, bytes, "a size", "write it with a unit, like \"64KiB\" or \"1MiB\"")
    }

    fn quantity(&self, problems: &Problems, read: Option<u64>, what: &str, hint: &str) -> Option<u64> {
        if read.is_none() {
            let found = self.value.as_str().map_or_else(String::new, |text| format!(", found {text:?}"));
            self.error(problems, format!("expected {what}{found}"), Some(hint.to_owned()));
        }
        read
    }

    /// The elements of a list; text from the environment is split at commas.
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

    /// A list of text; from the environment, text split at commas.
    pub fn texts(&self, problems: &Problems) -> Option<Vec<String>> {
        if let (Value::String(_, text), true) = (self.value, self.is_environment()) {
            return Some(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect());
        }
        Some(self.list(problems)?.iter().filter_map(|node| node.text(problems)).map(str::to_owned).collect())
    }

    /// A table, whose keys are to be asked for by name.
    pub fn table(&self, problems: &Problems) -> Option<Table<'d>> {
        match self.value {
            Value::Dict(_, dict) => Some(Table { node: self.clone(), dict, asked: RefCell::new(Vec::new()) }),
            _ => {
                self.wrong_kind(problems, "a table");
                None
            }
        }
    }

    /// The value as JSON, as a JSON body wants it.
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

    /// A table's values in the order they were written; none for other kinds.
    pub fn entries(&self) -> Vec<Node<'d>> {
        let Value::Dict(_, dict) = self.value else { return Vec::new() };
        let mut nodes: Vec<_> = dict.iter().map(|(name, value)| self.child(name, value)).collect();
        nodes.sort_by_key(|node| {
            node.document.source(node.value).map_or(usize::MAX, |source| source.offset(&node.path))
        });
        nodes
    }
}

/// Sum of `number unit` pairs, as in `1h30m`.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text.trim();
    let mut sum = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
        rest = tail;
    }
    Some(sum)
}

/// A table being read: each key is asked for by name, and [`Table::finish`] reports the rest as unknown.
#[derive(Debug)]
pub struct Table<'d> {
    node: Node<'d>,
    dict: &'d Dict,
    asked: RefCell<Vec<String>>,
}

impl<'d> Table<'d> {
    /// The table itself.
    pub fn node(&self) -> &Node<'d> {
        &self.node
    }

    /// The value of a key, if it was written. From the environment, an empty value counts as not written.
    pub fn get(&self, name: &str) -> Option<Node<'d>> {
        self.asked.borrow_mut().push(name.to_owned());
        let node = self.node.child(name, self.dict.get(name)?);
        (!(node.is_environment() && node.as_text() == Some(""))).then_some(node)
    }

    /// The value of a key that must be there.
    pub fn require(&self, name: &str, problems: &Problems) -> Option<Node<'d>> {
        let found = self.get(name);
        if found.is_none() {
            self.node.error(problems, format!("`{name}` is missing"), None);
        }
        found
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self, problems: &Problems) {
        let asked = self.asked.borrow();
        for unknown in self.node.entries() {
            if asked.iter().any(|name| name == unknown.name()) {
                continue;
            }
            let hint = match nearest(unknown.name(), asked.iter().map(String::as_str)) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known here: {}", asked.join(", ")),
            };
            unknown.error(problems, format!("unknown key `{}`", unknown.name()), Some(hint));
        }
    }
}
