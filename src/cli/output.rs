//! Output: results on standard output, everything else on standard error.

use std::io::{IsTerminal, Write, stderr, stdout};

use crate::config::{Environment, Report};

/// The output of a command.
pub(super) struct Output {
    plain: bool,
    warnings: bool,
}

impl Output {
    /// Uses colour on a terminal, unless `NO_COLOR` is set.
    pub(super) fn new(environment: &Environment) -> Self {
        let dumb = environment.get("TERM") == Some("dumb");
        Self { plain: dumb || environment.get("NO_COLOR").is_some(), warnings: true }
    }

    /// Without colour.
    pub(super) fn plain() -> Self {
        Self { plain: true, warnings: true }
    }

    /// The same, without warnings.
    pub(super) fn without_warnings(&self) -> Self {
        Self { plain: self.plain, warnings: false }
    }

    /// Prints a result. A reader that closes the pipe, such as `head`, is not an error.
    pub(super) fn result(&self, text: &str) {
        let _ = stdout().lock().write_all(text.as_bytes()).and_then(|()| stdout().flush());
    }

    /// Whether standard error may be coloured.
    pub(super) fn colours_errors(&self) -> bool {
        !self.plain && stderr().is_terminal()
    }

    /// Prints problems as the result.
    pub(super) fn report(&self, report: &Report) {
        self.result(&report.text(!self.plain && stdout().is_terminal()));
    }

    /// Prints problems to standard error.
    pub(super) fn complaint(&self, report: &Report) {
        if !self.warnings && !report.has_errors() {
            return;
        }
        self.aside(&report.text(self.colours_errors()));
    }

    /// Prints an error.
    pub(super) fn error(&self, message: &str, hint: Option<&str>) {
        let paint = |code: &str, text: &str| match self.colours_errors() {
            false => text.to_owned(),
            true => format!("\x1b[{code}m{text}\x1b[0m"),
        };
        let hint = hint.map_or_else(String::new, |hint| format!("  {} {hint}\n", paint("1;36", "hint:")));
        self.aside(&format!("{} {message}\n{hint}", paint("1;31", "error:")));
    }

    fn aside(&self, text: &str) {
        let _ = stderr().lock().write_all(text.as_bytes());
    }
}
