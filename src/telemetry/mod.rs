//! Logs: one line on standard error per change of state, as text or JSON.

#[cfg(test)]
mod tests;
mod writer;

use std::io::IsTerminal;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, FilterFn, ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, fmt, reload};

use writer::{Flush, Writer};

/// The format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineFormat {
    /// For people.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

impl LineFormat {
    /// Text on a terminal, else JSON.
    pub fn for_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Why logging cannot start, or a level is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not in the syntax of `RUST_LOG`.
    #[error(
        "invalid log level `{level}`: write `info`, or `warn,bearerd::token=debug` for a level per module \
        ({cause})"
    )]
    Level {
        /// The text of the level.
        level: String,
        cause: ParseError,
    },
    /// Another logger is installed, or the log has ended.
    #[error("another logger is already installed")]
    Taken,
    /// The writing thread did not start.
    #[error("cannot start the log thread: {0}")]
    Thread(#[from] std::io::Error),
}

type Levels = reload::Handle<Targets, Registry>;

/// A running log. Dropping it writes the pending lines.
pub struct Telemetry {
    levels: Levels,
    _flush: Flush,
}

impl Telemetry {
    /// Starts logging to standard error. `level` has the syntax of `RUST_LOG`.
    pub fn start(format: LineFormat, colour: bool, level: &str) -> Result<Self, TelemetryError> {
        let levels = parse(level)?;
        let (writer, flush) = Writer::start(std::io::stderr())?;
        let (subscriber, levels) = subscriber(format, colour, levels, writer);
        tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Taken)?;
        Ok(Self { levels, _flush: flush })
    }

    /// Changes the level. An invalid level changes nothing.
    pub fn set_level(&self, level: &str) -> Result<(), TelemetryError> {
        self.levels.reload(parse(level)?).map_err(|_| TelemetryError::Taken)
    }
}

/// Checks the syntax of a level.
pub fn check_level(level: &str) -> Result<(), TelemetryError> {
    parse(level).map(drop)
}

fn parse(level: &str) -> Result<Targets, TelemetryError> {
    let broken = |cause| TelemetryError::Level { level: level.to_owned(), cause };
    level.parse().map_err(broken)
}

fn subscriber<W>(
    format: LineFormat,
    colour: bool,
    levels: Targets,
    writer: W,
) -> (impl Subscriber + Send + Sync, Levels)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (levels, handle) = reload::Layer::new(levels);
    let lines = fmt::layer().with_writer(writer).with_ansi(colour && format == LineFormat::Text);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LineFormat::Text => lines.with_target(false).with_filter(levels.and(FilterFn::new(may_be_seen))).boxed(),
        LineFormat::Json => {
            lines.json().flatten_event(true).with_filter(levels.and(FilterFn::new(may_be_seen))).boxed()
        }
    };
    (Registry::default().with(lines), handle)
}

/// HTTP and TLS libraries log header values and bodies, and so credentials, below `info`. At lower levels, only this
/// crate's own lines are shown, whatever level is configured.
fn may_be_seen(metadata: &Metadata<'_>) -> bool {
    let own = metadata.target().strip_prefix("bearerd").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    own || *metadata.level() <= Level::INFO
}
