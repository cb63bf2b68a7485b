//! The authority of a request.

use http::{HeaderMap, Uri, header};

/// The authority of a request: that of an absolute target, else the `Host` header.
pub(crate) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST)?.to_str().ok(),
    }
}

/// The host of an authority, without user, port and trailing dot.
pub(crate) fn host(authority: &str) -> &str {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.rfind(']').and_then(|end| authority.get(..=end)) {
        Some(bracketed) => bracketed,
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.strip_suffix('.').unwrap_or(host)
}
