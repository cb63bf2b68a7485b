//! gRPC, as far as it is not plain HTTP/2: its deadlines are the caller's own, and its clients read `grpc-status`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether this is a call of gRPC. Its streams may be silent for as long as they like.
pub(crate) fn is(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Says in gRPC's words, too, what an answer of bearerd's own says: without them a client makes its own guess from the
/// status, and shows no reason.
pub(crate) fn set_status(answer: &mut Response<Bytes>, detail: &'static str) {
    let code = match answer.status() {
        StatusCode::BAD_REQUEST => "3",                              // INVALID_ARGUMENT
        StatusCode::FORBIDDEN => "7",                                // PERMISSION_DENIED
        StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => "12", // UNIMPLEMENTED
        StatusCode::INTERNAL_SERVER_ERROR => "13",                   // INTERNAL
        _ => "14",                                                   // UNAVAILABLE
    };
    answer.headers_mut().insert(STATUS, HeaderValue::from_static(code));
    answer.headers_mut().insert(MESSAGE, HeaderValue::from_static(detail));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_known_by_its_type() {
        for (kind, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(is(&headers), grpc, "{kind}");
        }
        assert!(!is(&HeaderMap::new()));
    }
}
