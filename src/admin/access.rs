//! Who may call the admin listener.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Admin;
use super::problem::ProblemDetails;
use crate::guard::{self, Admission, RequestInfo};

/// The peer's address; `None` for a unix socket. A request without this extension is refused.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub Option<IpAddr>);

/// Paths without access rules: the kubelet connects from the node to the pod's address, a scraper from anywhere.
const OPEN: [&str; 5] = ["/livez", "/healthz", "/startupz", "/readyz", "/metrics"];

/// Applies the access rules. No response may be cached or interpreted by a browser.
pub(super) async fn admit(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let mut response = match judge(&admin, &request) {
        Admission::Pass => next.run(request).await,
        Admission::PassTo(origin) => {
            let mut response = next.run(request).await;
            guard::share(response.headers_mut(), origin);
            response
        }
        Admission::Preflight(headers) => (StatusCode::NO_CONTENT, headers).into_response(),
        Admission::Refused(rule) => ProblemDetails::new(StatusCode::FORBIDDEN, "guard", rule).into_response(),
        Admission::Malformed(why) => ProblemDetails::new(StatusCode::BAD_REQUEST, "bad-request", why).into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn judge(admin: &Admin, request: &Request) -> Admission {
    if OPEN.contains(&request.uri().path()) {
        return Admission::Pass;
    }
    let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() else {
        return Admission::Refused("the peer's address is unknown");
    };
    let call = RequestInfo {
        peer,
        version: request.version(),
        method: request.method(),
        authority: request.uri().authority().map(Authority::as_str),
        path: request.uri().path(),
        headers: request.headers(),
    };
    admin.access.admit(&call, None)
}
