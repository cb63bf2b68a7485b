//! Settings for tests.

use crate::guard::Access;
use crate::proxy::settings::{Listen, Match, Protocol, Retry, Timeouts, UpstreamSettings};

/// An upstream of this name with nothing set.
pub(crate) fn settings(name: &str) -> UpstreamSettings {
    UpstreamSettings {
        name: name.into(),
        listen: Listen::Localhost(0),
        matches: Match { host: None, path: String::new(), strip: true },
        base: None,
        headers: Vec::new(),
        caller_may_set: Vec::new(),
        remove_headers: Vec::new(),
        protocol: Protocol::Http1,
        timeouts: Timeouts::default(),
        retry: Retry::default(),
        access: Access::default(),
        server_name: None,
        outbound_proxy: None,
    }
}
