//! The changes to a request that carry a token: rendered once per generation, applied to each request.

use std::fmt;

use http::{HeaderName, HeaderValue};

/// A header name with its original case. HTTP names are case-insensitive (RFC 9110 §5.1), but some servers compare them
/// by case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CasedName {
    name: HeaderName,
    /// Set only if it is not `Like-This`, because there are as many patches as subjects.
    case: Option<Box<str>>,
}

impl CasedName {
    /// `written` is the name in its original case.
    pub fn new(name: HeaderName, written: &str) -> Self {
        let usual = title_case(name.as_str().bytes()).eq(written.bytes());
        let case = (!usual && name.as_str().eq_ignore_ascii_case(written)).then(|| written.into());
        Self { name, case }
    }

    /// The name in lower case.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The original case, if it is not `Like-This`.
    pub fn case(&self) -> Option<&str> {
        self.case.as_deref()
    }
}

/// A name without an original case; it is sent `Like-This`.
impl From<HeaderName> for CasedName {
    fn from(name: HeaderName) -> Self {
        Self { name, case: None }
    }
}

/// The name in title case: `Like-This`.
pub fn title_case(name: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    let mut before = b'-';
    name.map(move |letter| {
        let capital = before == b'-';
        before = letter;
        if capital { letter.to_ascii_uppercase() } else { letter }
    })
}

/// Changes to a caller's request. Header values that contain a credential are marked sensitive.
#[derive(Clone, Default)]
pub struct Patch {
    /// Headers that replace the caller's.
    pub headers: Vec<(CasedName, HeaderValue)>,
    /// Headers for requests that lack them (`Accept: */*` counts as lacking).
    pub defaults: Vec<(CasedName, HeaderValue)>,
    /// Percent-encoded query pairs that replace the caller's.
    pub query: Vec<(String, String)>,
    /// Cookies that replace the caller's.
    pub cookies: Vec<(String, String)>,
    /// The API's base URL, if only the login's reply names it: an absolute URL within the flow's `hosts`.
    pub base: Option<String>,
    /// Whether the reply chose the base's host among many: its name must not lead to a private address.
    pub base_is_chosen: bool,
}

/// Shows only names: the values are credentials.
impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name.name()).collect();
        f.debug_struct("Patch").field("headers", &headers).finish_non_exhaustive()
    }
}

/// The names of what a flow sets on requests.
#[derive(Clone, Default, Debug)]
pub struct Owned {
    /// Headers of the caller that are never forwarded.
    pub headers: Vec<HeaderName>,
    /// Query parameters of the caller that are never forwarded.
    pub query: Vec<String>,
    /// Cookies of the caller that are never forwarded.
    pub cookies: Vec<String>,
}
