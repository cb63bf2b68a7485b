//! Which authorities are local or allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The maximum length of a name (RFC 1035 §2.3.4), without the trailing dot.
const LONGEST_NAME: usize = 253;

#[derive(Clone, Copy)]
pub(super) enum Host<'a> {
    /// A name without the trailing dot.
    Name(&'a str),
    /// An address. An IPv4-mapped IPv6 address counts as IPv4.
    Address(IpAddr),
}

impl Host<'_> {
    /// Whether it can only mean this machine. `0.0.0.0` cannot: browsers let public pages call it.
    fn is_local(self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => {
                let start = name.len().saturating_sub("localhost".len());
                let (below, top) = name.as_bytes().split_at(start);
                top.eq_ignore_ascii_case(b"localhost") && matches!(below, [] | [_, .., b'.'])
            }
        }
    }

    fn is(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Self::Name(one), Host::Name(two)) => one.eq_ignore_ascii_case(two),
            (Self::Address(one), Host::Address(two)) => one == two,
            _ => false,
        }
    }

    /// Whether it is a name below `parent`.
    fn is_below(self, parent: &str) -> bool {
        let Self::Name(name) = self else { return false };
        let Some(start) = name.len().checked_sub(parent.len()) else { return false };
        let (below, end) = name.as_bytes().split_at(start);
        end.eq_ignore_ascii_case(parent.as_bytes()) && below.len() > 1 && below.ends_with(b".")
    }
}

/// Splits an authority into host and port; `None` if it is malformed or has user information.
pub(super) fn split(authority: &str) -> Option<(Host<'_>, Option<u16>)> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = if port.is_empty() { None } else { self::port(port.strip_prefix(':')?)? };
        return Some((Host::Address(IpAddr::V6(address).to_canonical()), port));
    }
    let (name, port) = match authority.split_once(':') {
        Some((name, port)) => (name, self::port(port)?),
        None => (authority, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let address = name.as_bytes().first().is_some_and(u8::is_ascii_digit).then(|| name.parse::<Ipv4Addr>());
    let host = address.and_then(Result::ok).map_or(Host::Name(name), |address| Host::Address(address.into()));
    is_name(name).then_some((host, port))
}

/// Whether it is a valid host name: labels of letters, digits, hyphens, and underscores, which container networks use.
/// RFC 3986 allows more, but no resolver knows such names, and parsers read them differently.
fn is_name(name: &str) -> bool {
    let mut in_label = false;
    let fits = name.len() <= LONGEST_NAME
        && name.bytes().all(|byte| {
            let separates = byte == b'.' && in_label;
            in_label = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            in_label || separates
        });
    fits && in_label
}

/// A port, which may be empty.
fn port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok().map(Some))?
}

/// Whether an authority is local or one of `further`; `None` if it is malformed.
pub(super) fn is_allowed<'a>(authority: &str, mut further: impl Iterator<Item = &'a str>) -> Option<bool> {
    let (host, port) = split(authority)?;
    Some(host.is_local() || further.any(|entry| fits(entry, host, port)))
}

fn fits(entry: &str, host: Host<'_>, port: Option<u16>) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some(parent) = entry.strip_prefix("*.") {
        return host.is_below(parent);
    }
    if let Ok(address) = entry.parse::<Ipv6Addr>() {
        return host.is(Host::Address(IpAddr::V6(address).to_canonical()));
    }
    split(entry).is_some_and(|(own, own_port)| host.is(own) && (own_port.is_none() || own_port == port))
}

/// Whether two authorities of plain HTTP are equal.
pub(super) fn same_authority(one: &str, two: &str) -> bool {
    match (split(one), split(two)) {
        (Some((one, one_port)), Some((two, two_port))) => {
            one.is(two) && one_port.unwrap_or(80) == two_port.unwrap_or(80)
        }
        _ => false,
    }
}
