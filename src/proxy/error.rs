//! The error responses that bearerd itself makes: each failure has a status, a code and a type of RFC 9209.
#![deny(clippy::wildcard_enum_match_arm, reason = "a new error must get its own row")]

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode as S};

use crate::record::{Blame, Limit};
use crate::token::status::NoToken;

/// The header that says which proxy made a response.
pub(crate) const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Why a request gets an error response of bearerd's own. The texts are for people and contain nothing that a caller sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProxyError {
    /// An access rule refused the request.
    Guard(&'static str),
    /// The subject is missing or invalid.
    Subject(&'static str),
    /// The request is malformed, or its path could leave the base URL.
    BadRequest(&'static str),
    /// No upstream matches the host and path.
    NoRoute,
    /// A method that is never forwarded.
    Unsupported(&'static str),
    /// The caller stopped sending its body.
    RequestTimeout,
    /// There is no usable token.
    NoToken(NoToken),
    /// The upstream gave no response.
    Upstream(Fault),
    /// A limit for all callers together is reached.
    Busy(Limit),
    /// A panic.
    Internal,
}

/// Why an upstream gave no response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A panic while connecting.
    Internal,
    /// This process has no socket left.
    NoSocket,
    /// The TCP connection failed.
    Unreachable,
    Dns,
    /// The TLS handshake failed.
    Tls,
    /// The certificate was not accepted.
    Certificate,
    /// The connection ended before the response head.
    Reset,
    /// The response is not valid HTTP.
    Malformed,
    /// Connecting took too long.
    ConnectTimeout,
    /// The response head took too long.
    HeadTimeout,
}

/// What an error maps to.
pub(crate) struct Row {
    pub(crate) status: S,
    /// The code, which is stable.
    pub(crate) code: &'static str,
    /// The error type of RFC 9209.
    pub(crate) kind: &'static str,
    /// Who is at fault.
    pub(crate) blame: Blame,
    /// For people.
    pub(crate) detail: &'static str,
}

const fn row(status: S, code: &'static str, kind: &'static str, blame: Blame, detail: &'static str) -> Row {
    Row { status, code, kind, blame, detail }
}

impl ProxyError {
    pub(crate) const fn row(&self) -> Row {
        match self {
            Self::Guard(why) => row(S::FORBIDDEN, "guard", "http_request_denied", Blame::Client, why),
            Self::Subject(why) => row(S::BAD_REQUEST, "subject", "http_request_error", Blame::Client, why),
            Self::BadRequest(why) => row(S::BAD_REQUEST, "bad-request", "http_request_error", Blame::Client, why),
            Self::NoRoute => row(
                S::NOT_FOUND,
                "no-route",
                "destination_not_found",
                Blame::Client,
                "no upstream is configured for this host and path",
            ),
            Self::Unsupported(what) => {
                row(S::NOT_IMPLEMENTED, "unsupported", "http_request_denied", Blame::Client, what)
            }
            Self::RequestTimeout => row(
                S::REQUEST_TIMEOUT,
                "request-timeout",
                "http_request_error",
                Blame::Client,
                "the caller stopped sending the request body",
            ),
            Self::NoToken(reason) => no_token(reason),
            Self::Busy(limit) => busy(*limit),
            Self::Upstream(fault) => fault.row(),
            Self::Internal => row(
                S::INTERNAL_SERVER_ERROR,
                "internal",
                "proxy_internal_error",
                Blame::Bearerd,
                "internal error in bearerd; its log says where",
            ),
        }
    }

    /// When to try again.
    const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoToken(
                NoToken::Pending { retry_after } | NoToken::Failing { retry_after } | NoToken::Rejected { retry_after },
            ) => Some(*retry_after),
            Self::Guard(_)
            | Self::Subject(_)
            | Self::BadRequest(_)
            | Self::NoRoute
            | Self::Unsupported(_)
            | Self::RequestTimeout
            | Self::Upstream(_)
            | Self::Busy(_)
            | Self::Internal => None,
        }
    }

    /// Creates the error response.
    pub(crate) fn response(&self, upstream: Option<&str>) -> Response<Bytes> {
        let row = self.row();
        let body = serde_json::json!({
            "type": "about:blank",
            "title": row.status.canonical_reason(),
            "status": row.status.as_u16(),
            "detail": row.detail,
            "code": row.code,
            "upstream": upstream,
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = row.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let proxy_status = format!("bearerd; error={}; details=\"{}\"", row.kind, row.code);
        headers.extend(HeaderValue::try_from(proxy_status).map(|value| (PROXY_STATUS, value)));
        if let Some(wait) = self.retry_after() {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

impl Fault {
    const fn row(self) -> Row {
        let (status, code, kind, detail) = match self {
            Self::NoSocket => return busy(Limit::Sockets),
            Self::Internal => return ProxyError::Internal.row(),
            Self::Unreachable => {
                (S::BAD_GATEWAY, "upstream-unreachable", "connection_refused", "cannot connect to the upstream")
            }
            Self::Dns => (S::BAD_GATEWAY, "upstream-dns", "dns_error", "cannot resolve the upstream's host name"),
            Self::Tls => {
                (S::BAD_GATEWAY, "upstream-tls", "tls_protocol_error", "TLS handshake with the upstream failed")
            }
            Self::Certificate => {
                (S::BAD_GATEWAY, "upstream-tls", "tls_certificate_error", "the upstream's certificate is not valid")
            }
            Self::Reset => (
                S::BAD_GATEWAY,
                "upstream-reset",
                "connection_terminated",
                "the upstream closed the connection without a response",
            ),
            Self::Malformed => (
                S::BAD_GATEWAY,
                "upstream-reset",
                "connection_terminated",
                "invalid response from the upstream; the connection was closed",
            ),
            Self::ConnectTimeout => {
                (S::GATEWAY_TIMEOUT, "upstream-timeout", "connection_timeout", "timed out connecting to the upstream")
            }
            Self::HeadTimeout => (
                S::GATEWAY_TIMEOUT,
                "upstream-timeout",
                "http_response_timeout",
                "timed out waiting for the upstream's response",
            ),
        };
        row(status, code, kind, Blame::Upstream, detail)
    }
}

const fn busy(limit: Limit) -> Row {
    let detail = match limit {
        Limit::Connections => "too many connections",
        Limit::Requests => "too many requests in flight",
        Limit::Sockets => "no file descriptor is left for another connection",
        Limit::Memory => "too much memory is in use",
    };
    row(S::SERVICE_UNAVAILABLE, "busy", "connection_limit_reached", Blame::Bearerd, detail)
}

const fn no_token(reason: &NoToken) -> Row {
    let (code, detail) = match reason {
        NoToken::Pending { .. } => ("token-pending", "the first token is still being fetched"),
        NoToken::Failing { .. } => ("token-failing", "no valid token: the token endpoint is failing"),
        NoToken::Rejected { .. } => ("token-rejected", "no valid token: the token endpoint refuses the credentials"),
    };
    row(S::SERVICE_UNAVAILABLE, code, "destination_unavailable", Blame::Token, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(1200);

    const TABLE: [(ProxyError, u16, &str, &str); 21] = [
        (ProxyError::Guard("x"), 403, "guard", "http_request_denied"),
        (ProxyError::Subject("x"), 400, "subject", "http_request_error"),
        (ProxyError::BadRequest("x"), 400, "bad-request", "http_request_error"),
        (ProxyError::NoRoute, 404, "no-route", "destination_not_found"),
        (ProxyError::Unsupported("x"), 501, "unsupported", "http_request_denied"),
        (ProxyError::RequestTimeout, 408, "request-timeout", "http_request_error"),
        (ProxyError::NoToken(NoToken::Pending { retry_after: WAIT }), 503, "token-pending", "destination_unavailable"),
        (ProxyError::NoToken(NoToken::Failing { retry_after: WAIT }), 503, "token-failing", "destination_unavailable"),
        (
            ProxyError::NoToken(NoToken::Rejected { retry_after: WAIT }),
            503,
            "token-rejected",
            "destination_unavailable",
        ),
        (ProxyError::Upstream(Fault::Unreachable), 502, "upstream-unreachable", "connection_refused"),
        (ProxyError::Upstream(Fault::Dns), 502, "upstream-dns", "dns_error"),
        (ProxyError::Upstream(Fault::Tls), 502, "upstream-tls", "tls_protocol_error"),
        (ProxyError::Upstream(Fault::Certificate), 502, "upstream-tls", "tls_certificate_error"),
        (ProxyError::Upstream(Fault::Reset), 502, "upstream-reset", "connection_terminated"),
        (ProxyError::Upstream(Fault::Malformed), 502, "upstream-reset", "connection_terminated"),
        (ProxyError::Upstream(Fault::ConnectTimeout), 504, "upstream-timeout", "connection_timeout"),
        (ProxyError::Upstream(Fault::HeadTimeout), 504, "upstream-timeout", "http_response_timeout"),
        (ProxyError::Busy(Limit::Connections), 503, "busy", "connection_limit_reached"),
        (ProxyError::Busy(Limit::Requests), 503, "busy", "connection_limit_reached"),
        (ProxyError::Upstream(Fault::NoSocket), 503, "busy", "connection_limit_reached"),
        (ProxyError::Internal, 500, "internal", "proxy_internal_error"),
    ];

    #[test]
    fn every_failure_has_its_row() {
        for (error, status, code, kind) in TABLE {
            let response = error.response(Some("younium"));
            assert_eq!(response.status().as_u16(), status, "{error:?}");
            let expected = format!("bearerd; error={kind}; details=\"{code}\"");
            assert_eq!(response.headers()[PROXY_STATUS], expected, "{error:?}");
            let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(problem["status"], status, "{error:?}");
            assert_eq!(problem["code"], code, "{error:?}");
            assert_eq!(problem["upstream"], "younium", "{error:?}");
            assert!(problem["title"].is_string() && problem["detail"].is_string() && problem["type"].is_string());
            assert_eq!(response.headers().contains_key(RETRY_AFTER), code.starts_with("token-"), "{error:?}");
        }
    }

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        for (wait, header) in [(Duration::ZERO, "1"), (WAIT, "2"), (Duration::from_secs(7), "7")] {
            let error = ProxyError::NoToken(NoToken::Failing { retry_after: wait });
            assert_eq!(error.response(None).headers()[RETRY_AFTER], header);
        }
    }
}
