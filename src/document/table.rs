use std::cell::{Cell, RefCell};

use figment::value::{Dict, Value};

use super::node::Node;
use super::problem::{Problems, nearest};

/// A table. Each key is read by name, and [`Table::finish`] reports all others as unknown.
#[derive(Debug)]
pub struct Table<'d> {
    node: Node<'d>,
    dict: &'d Dict,
    asked: RefCell<Vec<String>>,
    has_wrong_value: Cell<bool>,
}

impl<'d> Node<'d> {
    /// Reads a table.
    pub fn table(&self, problems: &Problems) -> Option<Table<'d>> {
        match self.value {
            Value::Dict(_, dict) => {
                Some(Table { node: self.clone(), dict, asked: RefCell::default(), has_wrong_value: Cell::default() })
            }
            _ => {
                self.wrong_kind(problems, "a table");
                None
            }
        }
    }
}

impl<'d> Table<'d> {
    /// The table as a value.
    pub fn node(&self) -> &Node<'d> {
        &self.node
    }

    /// The value of a key, if it is set. An empty value from the environment counts as not set.
    pub fn get(&self, name: &str) -> Option<Node<'d>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|known| known == name) {
            asked.push(name.to_owned());
        }
        let node = self.node.child(name, self.dict.get(name)?);
        (!(node.is_environment() && node.as_text() == Some(""))).then_some(node)
    }

    /// The value of a required key.
    pub fn require(&self, name: &str, problems: &Problems) -> Option<Node<'d>> {
        let found = self.get(name);
        if found.is_none() {
            self.node.error(problems, format!("`{name}` is missing"), None);
        }
        found
    }

    /// Reports a key that no longer exists, if it is set.
    pub fn removed(&self, name: &str, hint: &str, problems: &Problems) {
        if let Some(node) = self.dict.contains_key(name).then(|| self.get(name)).flatten() {
            node.error(problems, format!("`{name}` has been removed"), Some(hint.to_owned()));
        }
    }

    /// The value of a key, or `default` where it was not written; `None` only for a wrong one.
    pub fn or<T>(&self, name: &str, default: T, read: impl FnOnce(&Node<'d>) -> Option<T>) -> Option<T> {
        self.get(name).map_or(Some(default), |node| read(&node))
    }

    /// The value of a key, if it is set. An empty value from the environment counts as not set.
    pub fn optional<T>(&self, name: &str, read: impl FnOnce(&Node<'d>) -> Option<T>) -> Option<Option<T>> {
        self.get(name).map_or(Some(None), |node| read(&node).map(Some))
    }

    /// Puts the value of a key, if it was written, into `place`, which holds the default.
    pub fn fill<T>(&self, name: &str, place: &mut T, read: impl FnOnce(&Node<'d>) -> Option<T>) {
        let Some(node) = self.get(name) else { return };
        match read(&node) {
            Some(value) => *place = value,
            None => self.has_wrong_value.set(true),
        }
    }

    /// Whether [`Table::fill`] met a wrong value, which is reported already.
    pub fn has_wrong_value(&self) -> bool {
        self.has_wrong_value.get()
    }

    /// Reports every key that was not read.
    pub fn finish(self, problems: &Problems) {
        let asked = self.asked.borrow();
        for unknown in self.node.entries() {
            if asked.iter().any(|name| name == unknown.name()) {
                continue;
            }
            let hint = match nearest(unknown.name(), asked.iter().map(String::as_str)) {
                Some(name) => {
                    let variable = unknown.variable_beside(name);
                    format!("did you mean `{}`?", variable.as_deref().unwrap_or(name))
                }
                None => format!("known keys: {}", asked.join(", ")),
            };
            unknown.error(problems, format!("unknown key `{}`", unknown.name()), Some(hint));
        }
    }
}
