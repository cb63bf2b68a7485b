//! Adapts the headers of responses, final and interim: removes those of the upstream's connection, and rewrites the upstream's
//! address to the caller's.

use http::{HeaderMap, HeaderValue, header};

use super::known::KnownHeaders;
use super::strip_each;
use super::view::CallerView;
use crate::proxy::error::PROXY_STATUS;

/// Adapts the headers of a response for the caller. The view is created only if it is needed.
pub(crate) fn pass_on<'a>(headers: &mut HeaderMap, known: KnownHeaders, view: impl FnOnce() -> CallerView<'a>) {
    strip(headers, known);
    if known.intersects(KnownHeaders::ADDRESS) {
        rewrite_addresses(headers, &view());
    }
}

/// Removes hop-by-hop headers, and claims to be a response of bearerd's own.
fn strip(headers: &mut HeaderMap, known: KnownHeaders) {
    strip_each(headers, known, KnownHeaders::NOT_FROM_UPSTREAMS);
    if known.intersects(KnownHeaders::PROXY_STATUS) {
        strip_own_proxy_status(headers);
    }
}

/// Does the same for the trailers of a response, and removes headers that must not be in trailers (RFC 9110 §6.5.1).
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    strip(trailers, KnownHeaders::of(trailers));
    for framing in [header::CONTENT_LENGTH, header::HOST, header::TRAILER] {
        trailers.remove(framing);
    }
}

/// Rewrites the upstream's address in every header that may contain it.
fn rewrite_addresses(headers: &mut HeaderMap, view: &CallerView<'_>) {
    for (name, value) in headers.iter_mut() {
        let local = view.rewritten(name, value.as_bytes());
        if let Some(local) = local.and_then(|local| HeaderValue::from_bytes(&local).ok()) {
            *value = local;
        }
    }
}

/// Removes members of `Proxy-Status` that claim to come from bearerd (RFC 9209); those of other proxies stay.
fn strip_own_proxy_status(headers: &mut HeaderMap) {
    let lines: Vec<_> = headers.get_all(PROXY_STATUS).iter().cloned().collect();
    headers.remove(PROXY_STATUS);
    for line in lines {
        let kept: Vec<_> = members(line.as_bytes()).into_iter().filter(|member| !is_ours(member)).collect();
        if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_bytes(&kept.join(&b", "[..]))) {
            headers.append(PROXY_STATUS, value);
        }
    }
}

fn is_ours(member: &[u8]) -> bool {
    let name = member.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let name = name.strip_prefix(b"\"").unwrap_or(name);
    name.strip_suffix(b"\"").unwrap_or(name).eq_ignore_ascii_case(b"bearerd")
}

/// Splits a structured list at commas outside of quoted strings.
fn members(line: &[u8]) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let separates = |byte: &u8| {
        let separates = *byte == b',' && !quoted;
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && quoted && !escaped;
        separates
    };
    line.split(separates).map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()).collect()
}

#[cfg(test)]
mod tests;
