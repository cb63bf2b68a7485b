//! Secrets and files: where a value comes from, and which files to watch.

use std::cell::RefCell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::environment::{Environment, VariableValue};
use super::super::files::{self, in_words};
use super::super::inputs::Inputs;
use crate::document::{Node, Problems, ValueKind, maybe_variable, placeholder};
use crate::secret::Secret;
use crate::tls::PemFile;

/// The maximum size of a file; larger than any credential or bundle of certificates.
const LARGEST: u64 = 1 << 20;

/// What one upstream (or table) reads besides the tree.
pub(super) struct Scope<'c> {
    pub(super) environment: &'c Environment,
    pub(super) problems: &'c Problems,
    inputs: RefCell<Inputs>,
}

/// A value, and a description of its source.
pub(super) struct FoundValue {
    pub(super) value: Secret,
    pub(super) origin: String,
    /// Its file, if it came from one.
    pub(super) file: Option<PathBuf>,
}

impl FoundValue {
    /// Parses the value. Only this place in the configuration reads secrets.
    pub(super) fn read<T>(&self, read: impl FnOnce(&str) -> T) -> T {
        read(self.value.expose())
    }
}

impl<'c> Scope<'c> {
    pub(super) fn new(environment: &'c Environment, problems: &'c Problems) -> Self {
        Self { environment, problems, inputs: RefCell::default() }
    }

    pub(super) fn into_inputs(self) -> Inputs {
        self.inputs.into_inner()
    }

    /// Watches a file whose existence matters.
    pub(super) fn note(&self, path: &Path) {
        self.inputs.borrow_mut().add(path);
    }

    /// Reads a credential: `{ file }`, `{ env }` or text. Text in a file causes a warning.
    pub(super) fn secret(&self, node: &Node<'_>) -> Option<FoundValue> {
        let found = self.value(node)?;
        if let Some(path) = &found.file {
            super::exposure::check_secret(node, path, self.problems);
        }
        if found.value.is_empty() {
            node.error(self.problems, "the secret is empty", None);
            return None;
        }
        if node.kind() == ValueKind::Text && !node.is_environment() {
            let hint = "write { file = \"/path\" } or { env = \"NAME\" } instead".to_owned();
            node.warn(self.problems, "secret written in plain text in the configuration file", Some(hint));
        }
        Some(found)
    }

    /// Reads a text: `{ file }`, `{ env }` or the text itself.
    pub(super) fn value(&self, node: &Node<'_>) -> Option<FoundValue> {
        if node.kind() != ValueKind::Table {
            let text = node.text(self.problems)?;
            self.check_placeholder(node, text)?;
            return Some(FoundValue { value: Secret::new(text), origin: node.place().to_string(), file: None });
        }
        let table = node.table(self.problems)?;
        let (file, variable) = later_of(table.get("file"), table.get("env"));
        table.finish(self.problems);
        match (file, variable) {
            (Some(file), None) => self.file_text(&file, &file.path_beside(file.text(self.problems)?)),
            (None, Some(variable)) => self.variable_text(&variable, variable.text(self.problems)?),
            (Some(_), Some(_)) => {
                node.error(self.problems, "both `file` and `env` are set", Some("keep one of them".into()));
                None
            }
            (None, None) => {
                let hint = "write { file = \"/path\" } or { env = \"NAME\" }".to_owned();
                node.error(self.problems, "neither `file` nor `env` is set", Some(hint));
                None
            }
        }
    }

    /// Reports references of other tools, which are not expanded.
    fn check_placeholder(&self, node: &Node<'_>, text: &str) -> Option<()> {
        if let Some(meant) = placeholder(text) {
            let message = "variables are not expanded here: this text would be sent unchanged";
            let hint = match node.is_environment() {
                false => format!("write `{} = {meant}`", node.name()),
                true => "set the variable to the value itself".to_owned(),
            };
            node.error(self.problems, message, Some(hint));
            return None;
        }
        if maybe_variable(text) {
            let hint = "to use an environment variable, put the whole value into it and write { env = \"NAME\" }";
            node.warn(
                self.problems,
                "variables are not expanded here: this text would be sent unchanged",
                Some(hint.to_owned()),
            );
        }
        Some(())
    }

    pub(super) fn variable_text(&self, node: &Node<'_>, name: &str) -> Option<FoundValue> {
        let complaint = match self.environment.look_up(name) {
            VariableValue::Text(text) => {
                let origin = format!("environment variable {name}");
                return Some(self.checked(node, text.to_owned(), origin));
            }
            VariableValue::Empty => "is empty",
            VariableValue::NotText => "is not UTF-8 text",
            VariableValue::Unset => "is not set",
        };
        let bare = placeholder(name).map(|meant| format!("write only the name: `{meant}`"));
        node.error(self.problems, format!("the environment variable `{name}` {complaint}"), bare);
        None
    }

    /// Reads a file, without trailing line ends. Problems are reported at `node`.
    pub(super) fn file_text(&self, node: &Node<'_>, path: &Path) -> Option<FoundValue> {
        let bytes = self.bytes(node, path)?;
        let Ok(text) = String::from_utf8(bytes) else {
            node.error(self.problems, format!("the file `{}` is not UTF-8 text", path.display()), None);
            return None;
        };
        if text.trim_end_matches(['\r', '\n']).is_empty() {
            node.error(self.problems, format!("the file `{}` is empty", path.display()), None);
            return None;
        }
        let found = self.checked(node, text, format!("file {}", path.display()));
        Some(FoundValue { file: Some(path.to_owned()), ..found })
    }

    /// Reads a PEM file.
    pub(super) fn pem_file(&self, node: &Node<'_>) -> Option<PemFile> {
        let path = node.path_beside(node.text(self.problems)?);
        let content = self.bytes(node, &path)?;
        Some(PemFile { path, content: Arc::new(content.into()) })
    }

    fn bytes(&self, node: &Node<'_>, path: &Path) -> Option<Vec<u8>> {
        self.note(path);
        let read = files::read(path, LARGEST);
        let complain = |error: &std::io::Error| {
            let message = format!("cannot read `{}`: {}", path.display(), in_words(error));
            node.error(self.problems, message, owner(path, error));
        };
        read.inspect_err(complain).ok()
    }

    fn checked(&self, node: &Node<'_>, mut text: String, origin: String) -> FoundValue {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        let hint = || Some("remove it if it is not part of the value".to_owned());
        if text.starts_with('\u{feff}') {
            node.warn(self.problems, format!("the value of {origin} starts with a byte order mark"), hint());
        } else if text.trim() != text {
            node.warn(self.problems, format!("the value of {origin} starts or ends with white space"), hint());
        } else if placeholder(&text).is_some() || maybe_variable(&text) {
            node.warn(
                self.problems,
                format!("the value of {origin} looks like a reference, which is not expanded"),
                hint(),
            );
        } else if text.contains(['\n', '\r', '\0']) && !text.contains("-----BEGIN ") {
            node.warn(self.problems, format!("the value of {origin} has more than one line"), hint());
        }
        FoundValue { value: Secret::new(text), origin, file: None }
    }
}

/// Of two alternatives, the one in the later layer.
fn later_of<'d>(one: Option<Node<'d>>, other: Option<Node<'d>>) -> (Option<Node<'d>>, Option<Node<'d>>) {
    let order = match (&one, &other) {
        (Some(one), Some(other)) => one.layer().cmp(&other.layer()),
        _ => return (one, other),
    };
    match order {
        std::cmp::Ordering::Less => (None, other),
        std::cmp::Ordering::Greater => (one, None),
        std::cmp::Ordering::Equal => (one, other),
    }
}

/// Explains the owner and mode of a file that cannot be read.
fn owner(path: &Path, error: &std::io::Error) -> Option<String> {
    if error.kind() != std::io::ErrorKind::PermissionDenied {
        return None;
    }
    let me = rustix::process::geteuid().as_raw();
    let metadata = path.metadata().ok()?;
    let (user, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    Some(format!("it belongs to user {user} with mode {mode:04o}; bearerd runs as user {me}"))
}
