//! Values of the wrong kind, and hints.

use figment::value::Value;

use super::hint::{self, NUMBER, TRUTH};
use super::node::Node;
use super::problem::Problems;

/// The kind of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueKind {
    /// Text; all values from the environment are text.
    Text,
    Integer,
    Float,
    Boolean,
    List,
    Table,
}

impl Node<'_> {
    pub fn kind(&self) -> ValueKind {
        match self.value {
            Value::String(..) | Value::Char(..) | Value::Empty(..) => ValueKind::Text,
            Value::Bool(..) => ValueKind::Boolean,
            Value::Num(_, number) if number.to_f64().is_some() => ValueKind::Float,
            Value::Num(..) => ValueKind::Integer,
            Value::Array(..) => ValueKind::List,
            Value::Dict(..) => ValueKind::Table,
        }
    }

    pub(super) fn wrong_kind(&self, problems: &Problems, wanted: &str) {
        let found = match self.kind() {
            ValueKind::Text => "text",
            ValueKind::Integer => "a number",
            ValueKind::Float => "a decimal number",
            ValueKind::Boolean => "true or false",
            ValueKind::List => "a list",
            ValueKind::Table => "a table",
        };
        self.error(problems, format!("expected {wanted}, found {found}"), self.hint_for(wanted));
    }

    /// What to write instead.
    fn hint_for(&self, wanted: &str) -> Option<String> {
        match (wanted, self.value) {
            ("text", Value::Array(..)) if self.name() == "scope" => {
                let scopes = self.list(&Problems::default())?.iter().filter_map(Node::as_text).collect::<Vec<_>>();
                Some(format!("write one text, with spaces in between: `\"{}\"`", scopes.join(" ")))
            }
            ("text", Value::Array(..)) => Some("write one text in quotes, without the brackets".to_owned()),
            ("text", Value::Dict(..)) => None,
            ("text", _) => Some("put it in quotes".to_owned()),
            ("a list", Value::String(..)) => Some("put it in brackets, as in `[\"one\", \"two\"]`".to_owned()),
            ("a table", Value::Array(..)) if self.path.len() == 1 => {
                Some(format!("write one pair of brackets and a name: `[{}.NAME]`", self.key()))
            }
            ("a table", _) if self.path.len() == 2 => Some(format!(
                "put the keys below a line with the name of the upstream or flow: `[{}.NAME]`",
                self.path.first().map_or("upstream", String::as_str)
            )),
            (_, Value::String(_, text)) if wanted == TRUTH => hint::for_boolean(text).map(str::to_owned),
            (_, Value::Num(..)) if wanted == TRUTH => Some("write `true` or `false`".to_owned()),
            (_, Value::String(_, text)) if wanted == NUMBER => {
                let number = text.trim().replace(['_', ' '], "").parse::<u64>().ok()?;
                Some(format!("write `{number}`, without quotes"))
            }
            _ => None,
        }
    }

    /// A text or number as text.
    pub(super) fn written(&self) -> Option<String> {
        match self.value {
            Value::Num(..) => Some(self.json().to_string()),
            _ => self.as_text().map(str::to_owned),
        }
    }
}
