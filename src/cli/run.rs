//! `bearerd run`.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::args::{ConfigArgs, Run};
use super::failure::{CONFIGURATION, CommandFailure, FAILED};
use super::output::Output;
use crate::app;
use crate::config::{Environment, Loaded, Loader};

pub(super) fn run(args: &Run, environment: Environment, output: &Output) -> Result<(), CommandFailure> {
    let watch = args.watch || environment.get("BEARERD_WATCH").is_some_and(is_yes);
    serve(loader(&args.source, environment)?, watch, output)
}

/// Loads the configuration and runs until a signal.
pub(super) fn serve(loader: Loader, watch: bool, output: &Output) -> Result<(), CommandFailure> {
    let loaded = load(&loader, output)?;
    output.complaint(&loaded.warnings);
    Ok(app::run(app::Start { loader, loaded, watch, colour: output.colours_errors() })?)
}

/// Loads the configuration, or prints all its problems.
pub(super) fn load(loader: &Loader, output: &Output) -> Result<Loaded, CommandFailure> {
    loader.load().map_err(|report| {
        output.complaint(&report);
        CommandFailure::said(CONFIGURATION)
    })
}

impl From<app::RunFailure> for CommandFailure {
    fn from(failure: app::RunFailure) -> Self {
        match failure {
            app::RunFailure::Start(message) | app::RunFailure::Running(message) => Self::new(FAILED, message),
            app::RunFailure::Signal(number) => Self::said(128 + number),
        }
    }
}

/// The loader for the command line's sources.
pub(super) fn loader(source: &ConfigArgs, environment: Environment) -> Result<Loader, CommandFailure> {
    let dash = Path::new("-");
    if source.config.iter().filter(|path| *path == dash).count() > 1 {
        return Err(CommandFailure::new(
            CONFIGURATION,
            "standard input can be read only once: `--config -` is given twice",
        ));
    }
    let add = |loader: Loader, path: &PathBuf| match path == dash {
        true => Ok(loader.text("standard input", standard_input()?)),
        false => Ok(loader.file(path)),
    };
    source.config.iter().try_fold(Loader::new(environment), add).map(Loader::drain_pipes)
}

/// The maximum size of a configuration on standard input.
const STANDARD_INPUT: u64 = 16 << 20;

fn standard_input() -> Result<Vec<u8>, CommandFailure> {
    let mut bytes = Vec::new();
    let failed = |why: &str| CommandFailure::new(CONFIGURATION, format!("cannot read standard input: {why}"));
    let read = std::io::stdin().lock().take(STANDARD_INPUT).read_to_end(&mut bytes);
    match u64::try_from(read.map_err(|error| failed(&error.to_string()))?) {
        Ok(length) if length < STANDARD_INPUT => Ok(bytes),
        _ => Err(failed("it is larger than 16 MiB")),
    }
}

fn is_yes(text: &str) -> bool {
    !matches!(text.to_lowercase().as_str(), "0" | "false" | "no" | "off")
}
