//! Errors of the admin listener, in the same format as those of the data path (RFC 9457).

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::panics;

/// An error response. Its text contains no secret.
#[derive(Debug)]
pub(super) struct ProblemDetails {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) upstream: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
}

impl ProblemDetails {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), upstream: None, retry_after: None }
    }

    pub(super) fn of(mut self, upstream: &str) -> Self {
        self.upstream = Some(upstream.to_owned());
        self
    }

    /// Rounds up to seconds: a retry a moment too early would be refused again.
    pub(super) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        self
    }
}

impl IntoResponse for ProblemDetails {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            upstream: self.upstream.as_deref(),
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}

/// A panic in a handler ends only its request.
pub(super) async fn internal(request: Request, next: Next) -> Response {
    panics::caught(next.run(request)).await.unwrap_or_else(|panicked| {
        ProblemDetails::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", panicked.to_string()).into_response()
    })
}

/// Unknown path.
pub(super) async fn no_route() -> ProblemDetails {
    ProblemDetails::new(StatusCode::NOT_FOUND, "no-route", "not found; GET /status describes the upstreams")
}

/// Wrong method; the router adds `Allow`.
pub(super) async fn wrong_method() -> ProblemDetails {
    ProblemDetails::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "method not allowed on this path; see the Allow header",
    )
}
