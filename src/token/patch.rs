//! A token as one upstream injects it: rendered once per generation, applied to each request.

use std::fmt;

use http::{HeaderName, HeaderValue};

/// What to change on a caller's request. Header values are marked sensitive where they hold a credential.
#[derive(Clone, Default)]
pub struct Patch {
    /// Set, replacing whatever the caller sent.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Set where the caller sent none (`Accept: */*` counts as none).
    pub defaults: Vec<(HeaderName, HeaderValue)>,
    /// Query pairs, percent-encoded already, replacing the caller's of that name.
    pub query: Vec<(String, String)>,
    /// Cookies, replacing the caller's of that name.
    pub cookies: Vec<(String, String)>,
    /// Where the API is, when only the login's reply could say; an absolute URL within the flow's `hosts`.
    pub base: Option<String>,
}

/// Names only: the values are credentials.
impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Patch").field("headers", &headers).finish_non_exhaustive()
    }
}

/// What a flow sets on requests, by name.
#[derive(Clone, Default, Debug)]
pub struct Owned {
    /// Headers whose inbound value must never pass.
    pub headers: Vec<HeaderName>,
    /// Query parameters, likewise.
    pub query: Vec<String>,
    /// Cookies, likewise.
    pub cookies: Vec<String>,
}
