//! The settings: plain values with all defaults applied.

use std::path::PathBuf;
use std::time::Duration;

use super::Inputs;
use crate::flow::Flow;
use crate::proxy::settings::{Limits, Listen, UpstreamSettings};
use crate::record::AccessLog;
use crate::secret::Secret;
use crate::tls::TlsSettings;

pub struct Settings {
    /// In the order of writing.
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
    /// The settings of the data path.
    pub proxy: UpstreamSettings,
    pub flow: Flow,
    /// TLS of API and token requests.
    pub tls: TlsSettings,
    /// Whether it counts for readiness.
    pub required: bool,
    /// The path of a harmless GET. Not used yet.
    pub check_path: Option<String>,
    /// The files that it was read from, besides the configuration: secrets, certificates, keys.
    pub inputs: Inputs,
    /// The flow's variables and their sources.
    pub variables: Vec<VariableOrigin>,
}

/// The source of a variable's value, in words; never the value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VariableOrigin {
    pub name: String,
    /// Such as `file /run/secrets/x`.
    pub origin: String,
}

/// The `[admin]` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminSettings {
    /// The address of the admin listener.
    pub listen: Listen,
    /// Whether `POST /quit` is allowed.
    pub quit: bool,
    /// Reserved for a dashboard; not used yet.
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

/// The format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    Text,
    Json,
}

/// The `[store]` table: where tokens are kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum StoreSettings {
    /// In memory.
    #[default]
    Memory,
    /// In a directory, with one file per token.
    File {
        path: PathBuf,
        /// Encrypts what is stored.
        key: Option<Secret>,
    },
    /// In Redis, shared by several processes.
    Redis {
        /// The URL, with credentials.
        url: Secret,
        /// The prefix of all keys.
        prefix: String,
        /// Encrypts what is stored.
        key: Option<Secret>,
    },
}

impl StoreSettings {
    /// Whether others who read what it keeps find the tokens in it.
    pub fn is_unsealed(&self) -> bool {
        match self {
            Self::Memory => false,
            Self::File { key, .. } | Self::Redis { key, .. } => key.is_none(),
        }
    }
}

/// The `[runtime]` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Runtime {
    /// The time between "not ready" and closing the listeners.
    pub shutdown_delay: Duration,
    /// How long requests in flight may take to finish.
    pub shutdown_grace: Duration,
    /// How long the start waits for first tokens.
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
