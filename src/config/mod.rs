//! Reads the configuration and reports all problems at once.
//!
//! A [`Loader`] reads the layers (files, environment, flags), merges them into one tree and resolves that to
//! [`Settings`]. It can be called again: reloads and changed secrets take the same path.

mod environment;
mod files;
#[cfg(test)]
mod hints;
mod inputs;
mod load;
mod report;
mod resolve;
mod settings;

pub use environment::Environment;
pub use files::{ReadingPlace, reading_place};
pub use inputs::{Fingerprint, Inputs};
pub use load::{Loaded, Loader};
pub use report::Report;
pub use settings::{
    AdminSettings, LogFormat, LogSettings, Runtime, Settings, StoreSettings, UpstreamConfig, VariableOrigin,
};

#[cfg(test)]
mod tests;
