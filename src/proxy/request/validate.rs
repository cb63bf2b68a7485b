//! What a request must satisfy before it is forwarded.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Version, header};

use super::exchange::Exchange;
use crate::guard::{self, Admission};
use crate::proxy::backend::TokenSlot;
use crate::proxy::error::ProxyError;
use crate::proxy::message::headers::known::KnownHeaders;
use crate::proxy::message::{target, version};

/// Applies the access rules.
pub(super) fn admit(exchange: &Exchange, peer: Option<IpAddr>) -> Admission {
    let (settings, head) = (&exchange.backend.upstream.settings, &exchange.head);
    let call = guard::RequestInfo {
        peer,
        version: head.version,
        method: &head.method,
        authority: head.uri.authority().map(|authority| authority.as_str()),
        path: head.uri.path(),
        headers: &head.headers,
    };
    settings.access.admit(&call, settings.matches.host.as_deref())
}

/// Validates the request and returns the slot of the token that it gets.
pub(super) fn token_slot(exchange: &mut Exchange, known: KnownHeaders) -> Result<TokenSlot, ProxyError> {
    let began = exchange.began();
    let Exchange { head, backend, .. } = exchange;
    if head.version == Version::HTTP_2 {
        version::repair(head, known.intersects(KnownHeaders::CONTENT_LENGTH)).map_err(ProxyError::BadRequest)?;
    }
    if !backend.upstream.settings.access.dot_segments && target::has_dot_segment(head.uri.path()) {
        return Err(ProxyError::BadRequest("the path has a dot segment"));
    }
    if known.intersects(KnownHeaders::TRANSFER_ENCODING) && has_doubtful_coding(&head.headers) {
        return Err(ProxyError::BadRequest("unsupported Transfer-Encoding: only chunked is allowed"));
    }
    backend.token_slot(&head.headers, began)
}

/// Whether the transfer coding is anything but a single `chunked`.
pub(super) fn has_doubtful_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let others = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    codings.next().is_some_and(others) || codings.next().is_some()
}
