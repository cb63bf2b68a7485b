//! Three different questions: does it work, has it started, should it get calls.

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

/// How long the data path may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// Whether the process works. A restart mends no token endpoint, so none is asked about.
pub(super) async fn live(State(admin): State<Arc<Admin>>) -> Response {
    let beat = Duration::from_secs(admin.proxy.last_beat());
    if admin.clock.now().since_start().saturating_sub(beat) < SILENCE {
        return "ok\n".into_response();
    }
    ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, "stalled", "the data path has not moved for 10 s")
        .into_response()
}

/// Whether every required upstream has had a token, or has been waited for long enough. Once started, always started.
pub(super) async fn started(State(admin): State<Arc<Admin>>) -> Response {
    let waiting = without(&admin, |status| status.generation.is_some());
    let held = admin.clock.now().since(admin.born.moment) >= admin.startup_hold;
    if waiting.is_empty() || held {
        admin.born.started.store(true, Ordering::Relaxed);
    }
    if admin.born.started.load(Ordering::Relaxed) { "ok\n".into_response() } else { unready(waiting) }
}

/// Whether calls should come now.
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

/// Required upstreams whose token does not fit. Where each caller brings a subject there is no token to wait for.
fn without(admin: &Admin, fits: impl Fn(&Status) -> bool) -> Vec<Arc<str>> {
    let waits =
        |upstream: &&AdminUpstream| upstream.required && upstream.tokens.status().is_some_and(|status| !fits(&status));
    admin.upstreams.load().iter().filter(waits).map(|upstream| Arc::clone(&upstream.name)).collect()
}

/// The names of those that are waited for; none of them while draining with all tokens in place.
fn unready(waiting: Vec<Arc<str>>) -> Response {
    let names: Vec<&str> = waiting.iter().map(|name| &**name).collect();
    (StatusCode::SERVICE_UNAVAILABLE, Json(names)).into_response()
}
