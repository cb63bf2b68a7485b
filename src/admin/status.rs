//! `GET /status`. Nothing that is added here may contain a secret.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Admin, AdminUpstream};
use crate::clock::{Clock, Moment};
use crate::record::{Limit, LimitRecord, Replay, RequestCount, UpstreamRecord};
use crate::token::status::{LastError, Status};

#[derive(Serialize)]
pub(super) struct StatusBody {
    version: &'static str,
    started_at: Option<String>,
    upstreams: Vec<UpstreamStatus>,
    limits: BTreeMap<&'static str, LimitStatus>,
}

#[derive(Serialize)]
struct LimitStatus {
    limit: u64,
    used: u64,
    refusals: u64,
}

#[derive(Serialize)]
struct UpstreamStatus {
    name: String,
    listen: String,
    url: Option<String>,
    flow: String,
    /// Absent if each request names a subject: there is no single token.
    state: Option<&'static str>,
    subjects: Option<u64>,
    token: Option<TokenStatus>,
    last_error: Option<ErrorStatus>,
    requests: Requests,
}

#[derive(Serialize)]
struct TokenStatus {
    generation: u64,
    obtained_at: Option<String>,
    expires_at: Option<String>,
    next_renewal_at: Option<String>,
    life_left_seconds: Option<u64>,
}

#[derive(Serialize)]
struct ErrorStatus {
    code: &'static str,
    message: String,
    action: &'static str,
    at: Option<String>,
}

#[derive(Serialize)]
struct Requests {
    total: u64,
    in_flight: u64,
    replays: u64,
}

/// `GET /status`.
pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Json<StatusBody> {
    Json(StatusBody {
        version: env!("CARGO_PKG_VERSION"),
        started_at: rfc3339(admin.born.at),
        upstreams: admin.upstreams.load().iter().map(|upstream| shown(upstream, &*admin.clock)).collect(),
        limits: Limit::ALL.map(|limit| (limit.as_str(), limit_status(admin.proxy.limit(limit)))).into(),
    })
}

fn limit_status(limit: &LimitRecord) -> LimitStatus {
    LimitStatus { limit: limit.most(), used: limit.used(), refusals: limit.refusals() }
}

fn shown(upstream: &AdminUpstream, clock: &dyn Clock) -> UpstreamStatus {
    let status = upstream.tokens.status();
    UpstreamStatus {
        name: upstream.name.to_string(),
        listen: upstream.listen.clone(),
        url: upstream.url.clone(),
        flow: upstream.flow.clone(),
        state: status.as_ref().map(|status| status.state.as_str()),
        subjects: upstream.tokens.subjects(),
        token: status.as_ref().and_then(|status| token(status, clock)),
        last_error: status.and_then(|status| status.last_error).map(error),
        requests: requests(&upstream.record),
    }
}

fn token(status: &Status, clock: &dyn Clock) -> Option<TokenStatus> {
    let at = |moment| rfc3339(wall_of(moment, clock));
    Some(TokenStatus {
        generation: status.generation?.0,
        obtained_at: status.obtained_at.and_then(rfc3339),
        expires_at: status.expires.and_then(at),
        next_renewal_at: status.next_renewal.and_then(at),
        life_left_seconds: status.expires.map(|end| end.since(clock.now()).as_secs()),
    })
}

fn error(error: LastError) -> ErrorStatus {
    let LastError { code, message, action, at } = error;
    ErrorStatus { code, message, action: action.as_str(), at: rfc3339(at) }
}

fn requests(record: &UpstreamRecord) -> Requests {
    Requests {
        total: record.counts().iter().map(|RequestCount { count, .. }| count).sum(),
        in_flight: record.in_flight(),
        replays: Replay::ALL.iter().map(|outcome| record.replays(*outcome)).sum(),
    }
}

/// A moment in wall-clock time, rounded to seconds so that repeated requests show the same value.
pub(super) fn wall_of(moment: Moment, clock: &dyn Clock) -> SystemTime {
    let (now, wall) = (clock.now(), clock.wall());
    let exact = wall.checked_add(moment.since(now)).and_then(|at| at.checked_sub(now.since(moment))).unwrap_or(wall);
    let rounded = exact + Duration::from_millis(500);
    let since = rounded.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

fn rfc3339(at: SystemTime) -> Option<String> {
    let at = OffsetDateTime::from(at);
    at.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}
