//! Which flows there are: those that ship, `[flow.NAME]`, and files in `flows`.

use super::super::Inputs;
use crate::document::{Node, Problems, Table};
use crate::flow::{Flow, Values};

/// One variable of a flow, as far as looking for its value goes.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) secret: bool,
    pub(super) required: bool,
    pub(super) has_default: bool,
}

pub(super) struct Flows {}

/// One flow.
pub(super) struct Known {}

impl Flows {
    pub(super) fn read(root: &Table<'_>, _files: &mut Inputs, _problems: &Problems) -> Self {
        root.get("flow");
        root.get("flows");
        Self {}
    }

    pub(super) fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    pub(super) fn find(&self, _name: &str, _node: &Node<'_>, _problems: &Problems) -> Option<Known> {
        Some(Known {})
    }

    pub(super) fn warn_unused(&self, _problems: &Problems) {}
}

impl Known {
    pub(super) fn environment(&self, node: &Node<'_>, problems: &Problems) -> Option<String> {
        node.text(problems).map(str::to_owned)
    }

    pub(super) fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    pub(super) fn further(&self, _environment: Option<&str>) -> Vec<String> {
        Vec::new()
    }

    pub(super) fn compile(
        &self,
        _environment: Option<&str>,
        _values: &Values,
        _plaintext: bool,
        _node: &Node<'_>,
        _problems: &Problems,
    ) -> Option<Flow> {
        None
    }
}
