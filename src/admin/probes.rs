//! Probes for three questions: does the process work, has it started, should it get requests?

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::problem::ProblemDetails;
use super::{Admin, AdminUpstream};
use crate::shutdown::Phase;
use crate::token::status::{State as TokenState, Status};

/// The maximum time without a heartbeat of the data thread.
const SILENCE: Duration = Duration::from_secs(10);

/// Whether the process works. It does not depend on token endpoints, which a restart would not fix.
pub(super) async fn live(State(admin): State<Arc<Admin>>) -> Response {
    let beat = Duration::from_secs(admin.proxy.last_beat());
    if admin.clock.now().since_start().saturating_sub(beat) < SILENCE {
        return "ok\n".into_response();
    }
    ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, "stalled", "the data thread has not responded for 10 s")
        .into_response()
}

/// Whether every required upstream has had a token, or `startup_hold` has passed. Once started, it stays started.
pub(super) async fn started(State(admin): State<Arc<Admin>>) -> Response {
    let waiting = without(&admin, |status| status.generation.is_some());
    let held = admin.clock.now().since(admin.born.moment) >= admin.startup_hold;
    if waiting.is_empty() || held {
        admin.born.started.store(true, Ordering::Relaxed);
    }
    if admin.born.started.load(Ordering::Relaxed) { "ok\n".into_response() } else { unready(waiting) }
}

/// Whether the proxy should get requests now.
pub(super) async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let waiting = without(&admin, is_usable);
    if waiting.is_empty() && admin.shutdown.phase() == Phase::Running {
        return "ok\n".into_response();
    }
    unready(waiting)
}

fn is_usable(status: &Status) -> bool {
    matches!(status.state, TokenState::Fresh | TokenState::Degraded)
}

/// Required upstreams whose token does not satisfy `fits`. Upstreams with subjects and no default have no token to wait
/// for.
fn without(admin: &Admin, fits: impl Fn(&Status) -> bool) -> Vec<Arc<str>> {
    let waits =
        |upstream: &&AdminUpstream| upstream.required && upstream.tokens.status().is_some_and(|status| !fits(&status));
    admin.upstreams.load().iter().filter(waits).map(|upstream| Arc::clone(&upstream.name)).collect()
}

/// A 503 with the names of the upstreams that are not ready; the list is empty while draining.
fn unready(waiting: Vec<Arc<str>>) -> Response {
    let names: Vec<&str> = waiting.iter().map(|name| &**name).collect();
    (StatusCode::SERVICE_UNAVAILABLE, Json(names)).into_response()
}
