//! All flows: built-in ones, `[flow.NAME]`, and files in the directories of `flows`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::files::{in_words, toml_file};
use super::super::inputs::Inputs;
use super::defaults::listed;
use crate::document::{Document, Node, Place, Problem, Problems, Table, nearest};
use crate::flow::{Flow, FlowSpec, Values, shipped};

pub(super) struct FlowTable {
    own: BTreeMap<String, OwnFlow>,
    used: RefCell<BTreeSet<String>>,
}

/// A flow of the user.
struct OwnFlow {
    /// `None` if it is invalid, which is already reported.
    spec: Option<FlowSpec>,
    place: Place,
    key: String,
}

impl FlowTable {
    pub(super) fn read(root: &Table<'_>, files: &mut Inputs, problems: &Problems) -> Self {
        let mut flows = Self { own: BTreeMap::new(), used: RefCell::default() };
        for path in root.get("flows").map(|node| listed_files(&node, files, problems)).unwrap_or_default() {
            flows.read_file(&path, problems);
        }
        let tables = root.get("flow").filter(|node| node.table(problems).is_some());
        for node in tables.map(|node| node.entries()).unwrap_or_default() {
            let name = node.name().to_owned();
            flows.add(&name, &node, problems);
        }
        flows.warn_shadowing(problems);
        flows
    }

    fn read_file(&mut self, path: &Path, problems: &Problems) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match toml_file(path) {
            Ok(layer) => self.add(&name, &Document::merge([layer]).root(), problems),
            Err(problem) => {
                let place = problem.place.clone();
                problems.add(problem);
                self.own.insert(name, OwnFlow { spec: None, place, key: String::new() });
            }
        }
    }

    fn add(&mut self, name: &str, node: &Node<'_>, problems: &Problems) {
        let spec = FlowSpec::read(Some(name), node, problems);
        let own = OwnFlow { spec, place: node.place(), key: node.key() };
        if let Some(other) = self.own.insert(name.to_owned(), own) {
            let message = format!("the flow `{name}` is also defined in {}", other.place);
            node.error(problems, message, Some("rename one of them".into()));
        }
    }

    fn warn_shadowing(&self, problems: &Problems) {
        for (name, own) in self.own.iter().filter(|(name, _)| shipped::get(name).is_some()) {
            let hint = "rename it if you do not want that".to_owned();
            own.warn(problems, format!("this flow replaces the built-in flow `{name}`"), hint);
        }
    }

    /// All names, built-in ones first.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = shipped::names().collect();
        names.extend(self.own.keys().map(String::as_str));
        names
    }

    /// Finds a flow; an unknown one is reported at `node`.
    pub(super) fn find(&self, name: &str, node: &Node<'_>, problems: &Problems) -> Option<&FlowSpec> {
        self.used.borrow_mut().insert(name.to_owned());
        if let Some(own) = self.own.get(name) {
            return own.spec.as_ref();
        }
        let found = shipped::get(name);
        if found.is_none() {
            let hint = match nearest(name, self.names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of: {}", listed(self.names())),
            };
            node.error(problems, format!("unknown flow `{name}`"), Some(hint));
        }
        found
    }

    /// Warns about unused flows in the configuration, which are probably misspelled somewhere. Files may be a library.
    pub(super) fn warn_unused(&self, problems: &Problems) {
        let used = self.used.borrow();
        for (name, own) in self.own.iter().filter(|(name, own)| !used.contains(*name) && !own.key.is_empty()) {
            own.warn(
                problems,
                format!("no upstream uses the flow `{name}`"),
                "remove it, or set `flow` to its name".into(),
            );
        }
    }
}

impl OwnFlow {
    fn warn(&self, problems: &Problems, message: String, hint: String) {
        let level = crate::document::Level::Warning;
        let (place, key) = (self.place.clone(), self.key.clone());
        problems.add(Problem { level, place, key, message, hint: Some(hint) });
    }
}

fn listed_files(node: &Node<'_>, files: &mut Inputs, problems: &Problems) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for text in node.texts(problems).unwrap_or_default() {
        let directory = node.path_beside(&text);
        files.add(&directory);
        match toml_files(&directory) {
            Ok(paths) => found.extend(paths),
            Err(error) => {
                let message = format!("cannot read the directory `{}`: {}", directory.display(), in_words(&error));
                node.error(problems, message, None);
            }
        }
    }
    found.iter().for_each(|path| files.add(path));
    found
}

fn toml_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    paths.sort();
    Ok(paths)
}

/// Reads the name of an environment of the flow.
pub(super) fn environment(spec: &FlowSpec, node: &Node<'_>, problems: &Problems) -> Option<String> {
    let text = node.text(problems)?;
    let names = || spec.environments().iter().map(|environment| environment.name.as_str());
    if names().any(|name| name == text) {
        return Some(text.to_owned());
    }
    let hint = match nearest(text, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if spec.environments().is_empty() => "it has no environments: remove `env`".into(),
        None => format!("one of: {}", names().collect::<Vec<_>>().join(", ")),
    };
    node.error(problems, format!("the flow `{}` has no environment `{text}`", spec.name()), Some(hint));
    None
}

/// Compiles the flow. A wrong value is reported where it is written.
pub(super) fn compile(
    spec: &FlowSpec,
    environment: Option<String>,
    values: &Values,
    plaintext: bool,
    upstream: &Table<'_>,
    problems: &Problems,
) -> Option<Flow> {
    let with = upstream.get("with").map(|node| node.entries()).unwrap_or_default();
    Flow::compile(spec, environment.as_deref(), values, plaintext, &mut |fault| {
        let written = fault.variable.as_deref().and_then(|name| with.iter().find(|node| node.name() == name));
        written.unwrap_or(upstream.node()).error(problems, fault.message, fault.hint);
    })
}
