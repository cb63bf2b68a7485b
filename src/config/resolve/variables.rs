//! A flow's variables: from `with`, a file, or the environment. The flow applies its own defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::settings::VariableOrigin;
use super::exposure::check_secret;
use super::scope::{FoundValue, Scope};
use crate::document::{Node, Table, nearest};
use crate::flow::{Values, Variable};

/// Environment variables in use, and by whom: `c` of `a-b` and `b_c` of `a` would both be read from `A_B_C`.
#[derive(Default)]
pub(super) struct Taken(BTreeMap<String, String>);

/// The values that were found, and their sources.
pub(super) struct Filled {
    pub(super) values: Values,
    pub(super) variables: Vec<VariableOrigin>,
}

/// The sources of one upstream's variables.
pub(super) struct VariableSources<'l, 'd> {
    upstream: &'l Node<'d>,
    flow: &'l str,
    scope: &'l Scope<'l>,
    with: Option<Table<'d>>,
    secrets: Option<(Node<'d>, PathBuf)>,
}

impl<'l, 'd> VariableSources<'l, 'd> {
    /// Reads `with` and `secrets` of the upstream's table.
    pub(super) fn new(upstream: &'l Node<'d>, table: &Table<'d>, flow: &'l str, scope: &'l Scope<'l>) -> Self {
        let with = table.get("with").and_then(|node| node.table(scope.problems));
        let secrets = table.get("secrets").and_then(|node| {
            let directory = node.path_beside(node.text(scope.problems)?);
            if !directory.is_dir() {
                let message = format!("no such directory: `{}`", directory.display());
                node.error(scope.problems, message, None);
                return None;
            }
            Some((node, directory))
        });
        Self { upstream, flow, scope, with, secrets }
    }

    /// Finds all variables; `None` if one is missing or wrong.
    pub(super) fn fill(self, inputs: &[Variable], taken: &mut Taken) -> Option<Filled> {
        let (mut filled, mut whole) = (Filled { values: Values::new(), variables: Vec::new() }, true);
        for input in inputs {
            match self.find(input, taken) {
                Some(Some(found)) => filled.put(&input.name, found),
                Some(None) if input.environment => filled.note(&input.name, "the flow's environment"),
                Some(None) if input.default.is_some() => filled.note(&input.name, "the flow's default"),
                Some(None) if input.required => whole = self.missing(input),
                Some(None) => {}
                None => whole = false,
            }
        }
        if let Some(with) = self.with {
            with.finish(self.scope.problems);
        }
        whole.then_some(filled)
    }

    /// Without a flow the names are unknown, but the references are checked.
    pub(super) fn check_alone(self) {
        let nodes = self.with.iter().flat_map(|with| with.node().entries());
        nodes.for_each(|node| drop(self.scope.value(&node)));
    }

    /// `None` for a wrong value, `Some(None)` if there is none.
    fn find(&self, input: &Variable, taken: &mut Taken) -> Option<Option<FoundValue>> {
        if let Some(node) = self.with.as_ref().and_then(|with| with.get(&input.name)) {
            let found = if input.secret { self.scope.secret(&node) } else { self.scope.value(&node) };
            return found.map(Some);
        }
        for (node, path) in self.files(&input.name) {
            self.scope.note(&path);
            if path.symlink_metadata().is_ok() {
                let found = self.scope.file_text(&node, &path)?;
                if input.secret {
                    check_secret(&node, &path, self.scope.problems);
                }
                return Some(Some(found));
            }
        }
        self.in_environment(input, taken)
    }

    fn files(&self, variable: &str) -> Vec<(Node<'d>, PathBuf)> {
        let own = self.secrets.as_ref().map(|(node, directory)| (node.clone(), directory.join(variable)));
        let credentials = self.scope.environment.get("CREDENTIALS_DIRECTORY").map(|directory| {
            let file = format!("{}.{variable}", self.upstream.name());
            (self.upstream.clone(), PathBuf::from(directory).join(file))
        });
        own.into_iter().chain(credentials).collect()
    }

    fn in_environment(&self, input: &Variable, taken: &mut Taken) -> Option<Option<FoundValue>> {
        let name = self.variable(&input.name);
        if self.scope.environment.get(&name).is_none() {
            return Some(None);
        }
        let me = format!("{}.with.{}", self.upstream.key(), input.name);
        if let Some(other) = taken.0.insert(name.clone(), me) {
            let message = format!("`{}` and `{other}` would both be read from {name}", input.name);
            let hint = format!("write `{} = {{ env = \"…\" }}` in one of them", input.name);
            self.upstream.error(self.scope.problems, message, Some(hint));
            return None;
        }
        self.scope.variable_text(self.upstream, &name).map(Some)
    }

    fn variable(&self, variable: &str) -> String {
        format!("{}_{variable}", self.upstream.name()).to_uppercase().replace('-', "_")
    }

    fn missing(&self, input: &Variable) -> bool {
        let about = input.about.as_ref().map(|about| format!(" ({about})")).unwrap_or_default();
        let message = format!("the flow `{}` needs `{}`{about}", self.flow, input.name);
        let variable = self.variable(&input.name);
        let shape = if input.secret { "{ file = \"/path\" }" } else { "\"…\"" };
        let mut hint = format!("set the environment variable {variable}, or `with.{} = {shape}`", input.name);
        let written = self.with.as_ref().map(|with| with.node().entries()).unwrap_or_default();
        if nearest(&input.name, written.iter().map(Node::name)).is_some() {
            hint = "`with` has a similar name".into();
        }
        self.upstream.error(self.scope.problems, message, Some(hint));
        false
    }
}

impl Filled {
    fn put(&mut self, name: &str, found: FoundValue) {
        self.note(name, &found.origin);
        self.values.insert(name.to_owned(), found.value);
    }

    fn note(&mut self, name: &str, origin: &str) {
        self.variables.push(VariableOrigin { name: name.to_owned(), origin: origin.to_owned() });
    }
}
