//! What is meant: plain values with nothing left to default.

use std::path::PathBuf;
use std::time::Duration;

use super::Inputs;
use crate::flow::Flow;
use crate::proxy::settings::{Limits, Listen, UpstreamSettings};
use crate::record::AccessLog;
use crate::secret::Secret;
use crate::tls::TlsSettings;

/// A whole configuration.
pub struct Settings {
    /// In the order they were written.
    pub upstreams: Vec<UpstreamConfig>,
    /// The `[admin]` table.
    pub admin: AdminSettings,
    /// The `[log]` table.
    pub log: LogSettings,
    /// The `[store]` table.
    pub store: StoreSettings,
    /// The `[runtime]` table.
    pub runtime: Runtime,
    /// The `[limits]` table.
    pub limits: Limits,
}

/// One `[upstream.NAME]`.
pub struct UpstreamConfig {
    /// What the data path is told.
    pub proxy: UpstreamSettings,
    /// How its token is made.
    pub flow: Flow,
    /// TLS of API and token calls.
    pub tls: TlsSettings,
    /// Whether it counts for readiness.
    pub required: bool,
    /// A harmless GET.
    pub check_path: Option<String>,
    /// The files that it was read from besides the configuration: secrets, certificates, keys.
    pub inputs: Inputs,
    /// The flow's variables and where each value came from.
    pub variables: Vec<VariableOrigin>,
}

/// Where a variable's value came from, in words; never the value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VariableOrigin {
    /// Its name.
    pub name: String,
    /// As in `file /run/secrets/x`.
    pub origin: String,
}

/// The `[admin]` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminSettings {
    /// Where probes, status and metrics are served.
    pub listen: Listen,
    /// Whether `POST /quit` is obeyed.
    pub quit: bool,
    /// Whether there is a page for people.
    pub dashboard: bool,
}

/// The `[log]` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// `None`: text on a terminal, else JSON.
    pub format: Option<LogFormat>,
    /// Filter directives, in the syntax of `RUST_LOG`.
    pub level: String,
    /// Which requests are logged.
    pub access: AccessLog,
}

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The `[store]` table: where tokens outlive the process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum StoreSettings {
    /// They do not.
    #[default]
    Memory,
    /// A directory with one file per token.
    File {
        /// The directory.
        path: PathBuf,
        /// Seals what is stored.
        key: Option<Secret>,
    },
    /// A Redis shared by several processes.
    Redis {
        /// With its credentials.
        url: Secret,
        /// Before each name.
        prefix: String,
        /// Seals what is stored.
        key: Option<Secret>,
    },
}

/// The `[runtime]` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Runtime {
    /// Between "not ready any more" and closed listeners.
    pub shutdown_delay: Duration,
    /// For requests in flight.
    pub shutdown_grace: Duration,
    /// The longest that the start waits for first tokens.
    pub startup_hold: Duration,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            shutdown_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(15),
            startup_hold: Duration::from_secs(15),
        }
    }
}
