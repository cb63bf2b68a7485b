//! The headers that say where a request comes from, found in one scan.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The header for `access.key`; it is never forwarded.
pub static KEY: HeaderName = HeaderName::from_static("x-bearerd-key");
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The headers that the rules check.
#[derive(Default)]
pub(super) struct Claims<'a> {
    pub(super) host: SingleHeader<'a>,
    pub(super) origin: SingleHeader<'a>,
    pub(super) key: SingleHeader<'a>,
    /// Whether the browser marks it as coming from another site. Another port is same-site but still foreign.
    pub(super) foreign_site: bool,
    /// Whether it is a speculative request.
    pub(super) speculative: bool,
}

/// A header that must not be repeated.
#[derive(Clone, Copy, Default)]
pub(super) enum SingleHeader<'a> {
    #[default]
    None,
    One(&'a HeaderValue),
    Many,
}

impl<'a> Claims<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut claims = Self::default();
        for (name, value) in headers {
            if *name == header::HOST {
                claims.host.add(value);
            } else if *name == header::ORIGIN {
                claims.origin.add(value);
            } else if *name == SEC_FETCH_SITE {
                claims.foreign_site |= value != "same-origin" && value != "none";
            } else if *name == KEY {
                claims.key.add(value);
            } else {
                claims.speculative |= is_of_speculation(name.as_str());
            }
        }
        claims
    }
}

/// The headers of speculative requests, past and present. A page's speculation rules fetch with `Sec-Fetch-Site: none`
/// and without `Origin`, as if the user had typed the address.
fn is_of_speculation(name: &str) -> bool {
    matches!(name, "sec-purpose" | "purpose" | "x-purpose" | "x-moz" | "sec-speculation-tags")
}

impl<'a> SingleHeader<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::None => Self::One(value),
            Self::One(_) | Self::Many => Self::Many,
        };
    }

    /// The value; a repeated header is refused with `why`.
    pub(super) fn at_most_one(self, why: &'static str) -> Result<Option<&'a HeaderValue>, &'static str> {
        match self {
            Self::None => Ok(None),
            Self::One(value) => Ok(Some(value)),
            Self::Many => Err(why),
        }
    }
}
