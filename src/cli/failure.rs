//! The failure of a command, and the exit codes.

/// The failure of a command: a message, and the exit code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CommandFailure {
    pub(super) exit: u8,
    /// Empty if it has already been printed.
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

pub(super) const FAILED: u8 = 1;

/// Usage or configuration.
pub(super) const CONFIGURATION: u8 = 2;

pub(super) const REFUSED: u8 = 3;

/// Unreachable.
pub(super) const UNREACHABLE: u8 = 4;

impl CommandFailure {
    pub(super) fn new(exit: u8, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// The problems have already been printed.
    pub(super) fn said(exit: u8) -> Self {
        Self::new(exit, "")
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
