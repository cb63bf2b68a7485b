//! From what people write to what is meant, with all problems at once.
//!
//! A [`Loader`] reads the layers (files, environment, flags), merges them to one tree and resolves that to [`Settings`].
//! It can be called again: a reload and a changed secret are the same road once more.

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
pub use inputs::{Fingerprint, Inputs};
pub use load::{Loaded, Loader};
pub use report::Report;
pub use settings::{
    AdminSettings, LogFormat, LogSettings, Runtime, Settings, StoreSettings, UpstreamConfig, VariableOrigin,
};

#[cfg(test)]
mod tests;
