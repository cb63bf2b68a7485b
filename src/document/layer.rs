//! One layer of the configuration: TOML with the position of each key, or text values from the environment.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use toml_edit::{Item, TableLike};

use super::hint;
use super::problem::{Place, Problem};

/// One layer of the configuration.
#[derive(Clone, Debug)]
pub struct Layer {
    dict: Dict,
    source: LayerSource,
}

/// The positions of the values of one layer.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerSource {
    origin: String,
    /// The byte offset and line of each key.
    spans: HashMap<Vec<String>, (usize, u32)>,
    /// The names of the environment variables.
    variables: BTreeMap<Vec<String>, String>,
    pub(super) is_text: bool,
    /// The directory that relative paths start from.
    pub(super) directory: Option<PathBuf>,
}

impl LayerSource {
    pub(super) fn has(&self, path: &[String]) -> bool {
        self.spans.contains_key(path) || self.variables.contains_key(path)
    }

    pub(super) fn offset(&self, path: &[String]) -> usize {
        self.spans.get(path).map_or(usize::MAX, |(offset, _)| *offset)
    }

    pub(super) fn place(&self, path: &[String]) -> Place {
        if let Some(variable) = self.variables.get(path) {
            return Place { origin: format!("environment variable {variable}"), line: None };
        }
        let within = self.variables.range(path.to_vec()..).next().filter(|(key, _)| key.starts_with(path));
        if let Some((_, variable)) = within.filter(|_| !path.is_empty()) {
            return Place { origin: format!("environment variable {variable}"), line: None };
        }
        // A value without a position of its own (a default, a missing key) has its parent's.
        let line = (0..=path.len()).rev().find_map(|n| self.spans.get(path.get(..n)?)).map(|(_, line)| *line);
        Place { origin: self.origin.clone(), line }
    }

    /// The environment variable that would set `name` below `parents`, spelled like its siblings.
    pub(super) fn variable_at(&self, parents: &[String], name: &str) -> Option<String> {
        let (_, sibling) =
            self.variables.range(parents.to_vec()..).next().filter(|(key, _)| key.starts_with(parents))?;
        let levels: Vec<_> = sibling.split("__").take(parents.len()).collect();
        let name = name.to_uppercase().replace('-', "_");
        match (levels.is_empty(), sibling.split_once('_')) {
            (false, _) => Some(format!("{}__{name}", levels.join("__"))),
            (true, Some((prefix, _))) => Some(format!("{prefix}_{name}")),
            (true, None) => None,
        }
    }
}

impl Layer {
    /// Parses TOML. `origin` is the file's name as the user wrote it.
    pub fn toml(origin: impl Into<String>, text: &str) -> Result<Self, Problem> {
        let origin = origin.into();
        let document = toml_edit::Document::parse(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            let at = line.and_then(|line| text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?));
            Problem {
                place: Place { origin: origin.clone(), line },
                message: what_is_wrong(&error, text),
                hint: hint::for_syntax(text, at.unwrap_or_default()).map(str::to_owned),
                ..Problem::default()
            }
        })?;
        let mut reader = TomlReader { text, spans: HashMap::new() };
        let dict = reader.table(document.as_table(), &mut Vec::new());
        let source = LayerSource { origin, spans: reader.spans, ..LayerSource::default() };
        Ok(Self { dict, source })
    }

    /// Sets the directory that relative paths start from.
    pub fn beside(mut self, directory: impl Into<PathBuf>) -> Self {
        self.source.directory = Some(directory.into());
        self
    }

    /// A layer of environment variables: the key, the variable's name, its value.
    pub fn environment(entries: impl IntoIterator<Item = (Vec<String>, String, String)>) -> Self {
        let mut dict = Dict::new();
        let mut variables = BTreeMap::new();
        for (path, variable, text) in entries {
            insert(&mut dict, &path, Value::from(text));
            variables.insert(path, variable);
        }
        let source = LayerSource { origin: "environment".into(), variables, is_text: true, ..LayerSource::default() };
        Self { dict, source }
    }

    pub(super) fn into_parts(self, index: usize) -> (Provided, LayerSource) {
        (Provided { index, dict: self.dict }, self.source)
    }
}

/// The parser's message. It repeats only the name of a duplicate key, because anything else may be a secret.
fn what_is_wrong(error: &toml_edit::TomlError, text: &str) -> String {
    let message = error.message().trim_end().replace('\n', ", ");
    match error.span().and_then(|span| text.get(span)) {
        Some(key) if message == "duplicate key" => format!("{message} `{}`", key.trim()),
        _ => message,
    }
}

fn insert(dict: &mut Dict, path: &[String], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut table = dict;
    for parent in parents {
        let entry = table.entry(parent.clone()).or_insert_with(|| Value::from(Dict::new()));
        if entry.as_dict().is_none() {
            *entry = Value::from(Dict::new());
        }
        let Value::Dict(_, inner) = entry else { return };
        table = inner;
    }
    table.insert(last.clone(), value);
}

/// A layer as a figment provider.
pub(super) struct Provided {
    index: usize,
    dict: Dict,
}

impl Provider for Provided {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.index.to_string())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(BTreeMap::from([(Profile::Default, self.dict.clone())]))
    }
}

fn line_of(text: &str, offset: usize) -> u32 {
    let newlines = text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    u32::try_from(newlines.saturating_add(1)).unwrap_or(u32::MAX)
}

struct TomlReader<'t> {
    text: &'t str,
    spans: HashMap<Vec<String>, (usize, u32)>,
}

impl TomlReader<'_> {
    fn table(&mut self, table: &dyn TableLike, path: &mut Vec<String>) -> Dict {
        let mut dict = Dict::new();
        for (name, item) in table.iter() {
            path.push(name.to_owned());
            let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            self.note(path, span);
            let value = self.item(item, path);
            path.pop();
            dict.extend(value.map(|value| (name.to_owned(), value)));
        }
        dict
    }

    fn note(&mut self, path: &[String], span: Option<std::ops::Range<usize>>) {
        if let Some(span) = span {
            self.spans.insert(path.to_vec(), (span.start, line_of(self.text, span.start)));
        }
    }

    fn item(&mut self, item: &Item, path: &mut Vec<String>) -> Option<Value> {
        match item {
            Item::None => None,
            Item::Value(value) => Some(self.value(value, path)),
            Item::Table(table) => Some(Value::from(self.table(table, path))),
            Item::ArrayOfTables(tables) => {
                let values = tables.iter().enumerate().map(|(index, table)| {
                    path.push(index.to_string());
                    self.note(path, table.span());
                    let dict = self.table(table, path);
                    path.pop();
                    Value::from(dict)
                });
                Some(Value::from(values.collect::<Vec<_>>()))
            }
        }
    }

    fn value(&mut self, value: &toml_edit::Value, path: &mut Vec<String>) -> Value {
        match value {
            toml_edit::Value::String(text) => Value::from(text.value().as_str()),
            toml_edit::Value::Integer(number) => Value::from(*number.value()),
            toml_edit::Value::Float(number) => Value::from(*number.value()),
            toml_edit::Value::Boolean(truth) => Value::from(*truth.value()),
            toml_edit::Value::Datetime(moment) => Value::from(moment.value().to_string()),
            toml_edit::Value::InlineTable(table) => Value::from(self.table(table, path)),
            toml_edit::Value::Array(array) => {
                let values = array.iter().enumerate().map(|(index, value)| {
                    path.push(index.to_string());
                    self.note(path, value.span());
                    let value = self.value(value, path);
                    path.pop();
                    value
                });
                Value::from(values.collect::<Vec<_>>())
            }
        }
    }
}
