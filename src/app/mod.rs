//! Settings become a running process.

use crate::config::{Loaded, Loader};

/// What a process starts with.
pub struct Start {
    /// Loads again, for a reload and for changed secrets.
    pub loader: Loader,
    /// What it has loaded first.
    pub loaded: Loaded,
    /// Whether a changed file of the configuration is a reload.
    pub watch: bool,
}

/// Why the process ends otherwise than by being told to.
#[derive(Debug)]
pub enum Failure {
    /// It could not start: an address in use, say.
    Start(String),
    /// It failed while running.
    Running(String),
    /// A second signal ended it at once.
    Signal(u8),
}

/// Serves until a signal.
pub fn run(_start: Start) -> Result<(), Failure> {
    Err(Failure::Start("not built yet".into()))
}
