//! Which headers that matter to the data path are present in a head. One scan finds them, so that absent ones are never looked
//! up. Other names cost a few instructions, since the match compares lengths first.

use std::ops::BitOr;

use http::HeaderMap;

use super::spelling::is_alias;

/// A set of header names.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct KnownHeaders(u16);

impl KnownHeaders {
    pub(crate) const CONNECTION: Self = Self(1);
    pub(crate) const KEEP_ALIVE: Self = Self(1 << 1);
    pub(crate) const UPGRADE: Self = Self(1 << 2);
    pub(crate) const TE: Self = Self(1 << 3);
    pub(crate) const TRANSFER_ENCODING: Self = Self(1 << 4);
    /// `Proxy-Connection`, which some callers send instead of `Connection`.
    const PROXY_CONNECTION: Self = Self(1 << 5);
    /// Headers for proxies, and for bearerd itself.
    const FOR_PROXIES: Self = Self(1 << 6);
    /// `Forwarded` and alternative spellings of headers that are never forwarded.
    const FORWARDED: Self = Self(1 << 7);
    const PROXY_AUTHENTICATE: Self = Self(1 << 8);
    pub(crate) const PROXY_STATUS: Self = Self(1 << 9);
    pub(crate) const CONTENT_TYPE: Self = Self(1 << 10);
    pub(crate) const EXPECT: Self = Self(1 << 11);
    /// Headers that may contain the upstream's address: `Location` and similar, `Link`, `Refresh`, `Set-Cookie`.
    pub(crate) const ADDRESS: Self = Self(1 << 12);
    pub(crate) const CONTENT_LENGTH: Self = Self(1 << 13);

    /// Hop-by-hop headers (RFC 9110 §7.6.1).
    const OF_CONNECTION: Self = Self(0b11_1111);
    /// Headers that are never forwarded from a caller.
    pub(crate) const NOT_FROM_CALLERS: Self = Self(Self::OF_CONNECTION.0 | Self::FOR_PROXIES.0 | Self::FORWARDED.0);
    /// Headers that are never forwarded from an upstream.
    pub(crate) const NOT_FROM_UPSTREAMS: Self = Self(Self::OF_CONNECTION.0 | Self::PROXY_AUTHENTICATE.0);

    /// The known headers of a head.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers.keys().fold(Self::default(), |known, name| known | Self::of_name(name.as_str()))
    }

    /// The set that a lower-case name belongs to.
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

    pub(crate) fn intersects(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

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
    fn all_known_headers_of_a_head_are_found() {
        let names = ["accept", "te", "x-forwarded-proto", "x-forward", "upgrade"];
        let headers = names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x")));
        let known = KnownHeaders::of(&HeaderMap::from_iter(headers));
        assert_eq!(known, KnownHeaders::TE | KnownHeaders::FORWARDED | KnownHeaders::UPGRADE);
        assert!(known.intersects(KnownHeaders::NOT_FROM_CALLERS));
        assert!(!known.intersects(KnownHeaders::CONNECTION | KnownHeaders::EXPECT));
    }
}
