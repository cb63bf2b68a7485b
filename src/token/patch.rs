//! A token as one upstream injects it: rendered once per generation, applied to each request.

use std::fmt;

use http::{HeaderName, HeaderValue};

/// A header's name as somebody has written it. HTTP gives its case no meaning (RFC 9110 §5.1); some servers do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CasedName {
    name: HeaderName,
    /// Only where it is not `Like-This`: there are as many patches as subjects.
    case: Option<Box<str>>,
}

impl CasedName {
    /// `written` is the name, in any case.
    pub fn new(name: HeaderName, written: &str) -> Self {
        let usual = title_case(name.as_str().bytes()).eq(written.bytes());
        let case = (!usual && name.as_str().eq_ignore_ascii_case(written)).then(|| written.into());
        Self { name, case }
    }

    /// The name itself, in lower case.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// How it was written, where that is not `Like-This`.
    pub fn case(&self) -> Option<&str> {
        self.case.as_deref()
    }
}

/// A name that nobody has written: it goes out `Like-This`.
impl From<HeaderName> for CasedName {
    fn from(name: HeaderName) -> Self {
        Self { name, case: None }
    }
}

/// The letters of a name with each word's first one as a capital: `Like-This`.
pub fn title_case(name: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    let mut before = b'-';
    name.map(move |letter| {
        let capital = before == b'-';
        before = letter;
        if capital { letter.to_ascii_uppercase() } else { letter }
    })
}

/// What to change on a caller's request. Header values are marked sensitive where they hold a credential.
#[derive(Clone, Default)]
pub struct Patch {
    /// Set, replacing whatever the caller sent.
    pub headers: Vec<(CasedName, HeaderValue)>,
    /// Set where the caller sent none (`Accept: */*` counts as none).
    pub defaults: Vec<(CasedName, HeaderValue)>,
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
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name.name()).collect();
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
