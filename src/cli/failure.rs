//! A command that failed, and the exit codes.

/// A command that could not do its work: what to tell people, and the process's exit code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CommandFailure {
    pub(super) exit: u8,
    /// Said already, if empty.
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// It failed while running.
pub(super) const FAILED: u8 = 1;

/// Usage or configuration.
pub(super) const CONFIGURATION: u8 = 2;

/// The credentials are refused.
pub(super) const REFUSED: u8 = 3;

/// Nobody answers.
pub(super) const UNREACHABLE: u8 = 4;

impl CommandFailure {
    pub(super) fn new(exit: u8, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// What was wrong has been shown in full.
    pub(super) fn said(exit: u8) -> Self {
        Self::new(exit, "")
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
