//! What a head says of where the call comes from: found in one scan.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The header that carries `access.key`; never forwarded.
pub static KEY: HeaderName = HeaderName::from_static("x-bearerd-key");
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The lines that the rules are about.
#[derive(Default)]
pub(super) struct Claims<'a> {
    pub(super) host: SingleHeader<'a>,
    pub(super) origin: SingleHeader<'a>,
    pub(super) key: SingleHeader<'a>,
    /// Whether a browser says that a page of another site calls. A page of another port is same-site, and still foreign.
    pub(super) foreign_site: bool,
    /// Whether a browser fetches it in case somebody should want it.
    pub(super) speculative: bool,
}

/// A header that may stand there once.
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

/// What browsers say of a prefetch or prerender, today and formerly. A page's speculation rules fetch with
/// `Sec-Fetch-Site: none` and without `Origin`, as if a person had typed the address.
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

    /// The value; a second one is refused with `why`.
    pub(super) fn at_most_one(self, why: &'static str) -> Result<Option<&'a HeaderValue>, &'static str> {
        match self {
            Self::None => Ok(None),
            Self::One(value) => Ok(Some(value)),
            Self::Many => Err(why),
        }
    }
}
