//! Settings for tests.

use crate::proxy::settings::{Listen, Protocol, UpstreamSettings};

/// The settings of an upstream with this name and defaults for the rest.
pub(crate) fn settings(name: &str) -> UpstreamSettings {
    UpstreamSettings {
        name: name.into(),
        listen: Listen::Localhost(0),
        protocol: Protocol::Http1,
        ..UpstreamSettings::default()
    }
}
