//! What gRPC needs beyond plain HTTP/2: it has its own deadlines, and its clients read `grpc-status`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether this is a gRPC request. Its streams may be silent for any length of time.
pub(crate) fn is(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Adds the gRPC status to a response that bearerd makes. Without it a client guesses one from the HTTP status, and shows no
/// message.
pub(crate) fn set_status(response: &mut Response<Bytes>, detail: &'static str) {
    let code = match response.status() {
        StatusCode::BAD_REQUEST => "3",                              // INVALID_ARGUMENT
        StatusCode::FORBIDDEN => "7",                                // PERMISSION_DENIED
        StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => "12", // UNIMPLEMENTED
        StatusCode::INTERNAL_SERVER_ERROR => "13",                   // INTERNAL
        _ => "14",                                                   // UNAVAILABLE
    };
    response.headers_mut().insert(STATUS, HeaderValue::from_static(code));
    response.headers_mut().insert(MESSAGE, HeaderValue::from_static(detail));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_detected_by_its_content_type() {
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
