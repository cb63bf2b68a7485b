//! Why the process ends, other than by a regular stop.

/// Why the process ends, other than by a regular stop.
#[derive(Debug)]
pub enum RunFailure {
    /// It could not start, for example because an address is in use.
    Start(String),
    /// It failed while running.
    Running(String),
    /// A second signal ended it at once.
    Signal(u8),
}

pub(super) fn cannot_start(error: impl std::error::Error) -> RunFailure {
    RunFailure::Start(with_cause(&error))
}

pub(super) fn with_cause(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
