//! Which names that mean something to the data path stand in a head: one scan tells, and nothing is looked up that is not
//! there. A name that means nothing costs a few instructions, since the match is by length first.

use std::ops::BitOr;

use http::HeaderMap;

use super::spelling::is_alias;

/// A set of names.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct KnownHeaders(u16);

impl KnownHeaders {
    /// `Connection`.
    pub(crate) const CONNECTION: Self = Self(1);
    /// `Keep-Alive`.
    pub(crate) const KEEP_ALIVE: Self = Self(1 << 1);
    /// `Upgrade`.
    pub(crate) const UPGRADE: Self = Self(1 << 2);
    /// `TE`.
    pub(crate) const TE: Self = Self(1 << 3);
    /// `Transfer-Encoding`.
    pub(crate) const TRANSFER_ENCODING: Self = Self(1 << 4);
    /// `Proxy-Connection`, which some callers say instead of `Connection`.
    const PROXY_CONNECTION: Self = Self(1 << 5);
    /// What a caller says to proxies, and to bearerd itself.
    const FOR_PROXIES: Self = Self(1 << 6);
    /// What a caller says about its own network, and what else never passes in another spelling.
    const FORWARDED: Self = Self(1 << 7);
    /// `Proxy-Authenticate`.
    const PROXY_AUTHENTICATE: Self = Self(1 << 8);
    /// `Proxy-Status`.
    pub(crate) const PROXY_STATUS: Self = Self(1 << 9);
    /// `Content-Type`.
    pub(crate) const CONTENT_TYPE: Self = Self(1 << 10);
    /// `Expect`.
    pub(crate) const EXPECT: Self = Self(1 << 11);
    /// What may name the upstream's address: `Location` and its like, `Link`, `Refresh`, `Set-Cookie`.
    pub(crate) const ADDRESS: Self = Self(1 << 12);
    /// `Content-Length`.
    pub(crate) const CONTENT_LENGTH: Self = Self(1 << 13);

    /// Headers of one connection (RFC 9110 §7.6.1).
    const OF_CONNECTION: Self = Self(0b11_1111);
    /// What never passes from a caller to an upstream.
    pub(crate) const NOT_FROM_CALLERS: Self = Self(Self::OF_CONNECTION.0 | Self::FOR_PROXIES.0 | Self::FORWARDED.0);
    /// What never passes from an upstream to a caller.
    pub(crate) const NOT_FROM_UPSTREAMS: Self = Self(Self::OF_CONNECTION.0 | Self::PROXY_AUTHENTICATE.0);

    /// What stands in a head.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers.keys().fold(Self::default(), |known, name| known | Self::of_name(name.as_str()))
    }

    /// What one name, in lower case, means.
    pub(crate) fn of_name(name: &str) -> Self {
        match name {
            "connection" => Self::CONNECTION,
            "keep-alive" => Self::KEEP_ALIVE,
            "upgrade" => Self::UPGRADE,
            "te" => Self::TE,
            "transfer-encoding" => Self::TRANSFER_ENCODING,
            "proxy-connection" => Self::PROXY_CONNECTION,
            "proxy-authorization" | "x-bearerd-key" => Self::FOR_PROXIES,
            "forwarded" => Self::FORWARDED,
            "proxy-authenticate" => Self::PROXY_AUTHENTICATE,
            "proxy-status" => Self::PROXY_STATUS,
            "content-type" => Self::CONTENT_TYPE,
            "expect" => Self::EXPECT,
            "location" | "content-location" | "set-cookie" | "link" | "refresh" | "operation-location" => Self::ADDRESS,
            "content-length" => Self::CONTENT_LENGTH,
            _ if is_alias(name) => Self::FORWARDED,
            _ => Self::default(),
        }
    }

    /// Whether one of `others` is among them.
    pub(crate) fn intersects(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// All but `others`.
    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

impl BitOr for KnownHeaders {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_head_is_marked_with_all_that_stands_in_it() {
        let names = ["accept", "te", "x-forwarded-proto", "x-forward", "upgrade"];
        let headers = names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x")));
        let known = KnownHeaders::of(&HeaderMap::from_iter(headers));
        assert_eq!(known, KnownHeaders::TE | KnownHeaders::FORWARDED | KnownHeaders::UPGRADE);
        assert!(known.intersects(KnownHeaders::NOT_FROM_CALLERS));
        assert!(!known.intersects(KnownHeaders::CONNECTION | KnownHeaders::EXPECT));
    }
}
