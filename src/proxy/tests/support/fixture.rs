//! Settings for tests.

use crate::proxy::settings::{Listen, Protocol, UpstreamSettings};

/// An upstream of this name with nothing set.
pub(crate) fn settings(name: &str) -> UpstreamSettings {
    UpstreamSettings {
        name: name.into(),
        listen: Listen::Localhost(0),
        protocol: Protocol::Http1,
        ..UpstreamSettings::default()
    }
}
