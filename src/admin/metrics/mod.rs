//! `GET /metrics` for Prometheus. Labels are bounded: never a path or a subject.

mod text;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::status::wall_of;
use super::{Admin, AdminUpstream};
use crate::panics;
use crate::record::{Limit, LimitRecord, Replay, Snapshot, TokenRecord};
use crate::token::status::State as TokenState;
use text::{FamilyKind, MetricsText};

pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render(&admin))
}

fn render(admin: &Admin) -> String {
    let upstreams = admin.upstreams.load();
    let mut text = MetricsText::default();
    requests(&mut text, &upstreams);
    durations(&mut text, &upstreams);
    replays(&mut text, &upstreams);
    token_states(&mut text, &upstreams);
    token_ends(&mut text, &upstreams, admin);
    token_requests(&mut text, &upstreams);
    per_upstream(&mut text, &upstreams);
    process(&mut text, admin);
    limits(&mut text, admin);
    text.finish()
}

fn requests(text: &mut MetricsText, upstreams: &[AdminUpstream]) {
    text.family(
        "bearerd_requests_total",
        FamilyKind::Counter,
        "Completed requests; the status is 0 if the caller disconnected.",
    );
    for upstream in upstreams {
        for count in upstream.record.counts() {
            let status = count.status.to_string();
            let labels = [
                ("upstream", &*upstream.name),
                ("method", count.method),
                ("status", &status),
                ("blame", count.blame.as_str()),
            ];
            text.count(&labels, count.count);
        }
    }
}

fn durations(text: &mut MetricsText, upstreams: &[AdminUpstream]) {
    let whole = "Time from the request head to the end of the response.";
    text.family("bearerd_request_duration_seconds", FamilyKind::Histogram, whole);
    for upstream in upstreams {
        text.histogram(&[("upstream", &upstream.name)], &upstream.record.whole().snapshot());
    }
    let head = "Time from sending a request to the upstream's response head.";
    text.family("bearerd_upstream_duration_seconds", FamilyKind::Histogram, head);
    for upstream in upstreams {
        text.histogram(&[("upstream", &upstream.name)], &upstream.record.to_head().snapshot());
    }
}

fn replays(text: &mut MetricsText, upstreams: &[AdminUpstream]) {
    text.family(
        "bearerd_replays_total",
        FamilyKind::Counter,
        "Responses that rejected the token, by the outcome of the repeat.",
    );
    for upstream in upstreams {
        for outcome in Replay::ALL {
            let labels = [("upstream", &*upstream.name), ("outcome", outcome.as_str())];
            text.count(&labels, upstream.record.replays(outcome));
        }
    }
}

fn token_states(text: &mut MetricsText, upstreams: &[AdminUpstream]) {
    text.family("bearerd_token_state", FamilyKind::Gauge, "1 for the token's current state, 0 for the others.");
    for upstream in upstreams {
        let now = upstream.tokens.status().map(|status| status.state);
        for state in TokenState::ALL {
            let labels = [("upstream", &*upstream.name), ("state", state.as_str())];
            text.count(&labels, u64::from(now == Some(state)));
        }
    }
}

fn token_ends(text: &mut MetricsText, upstreams: &[AdminUpstream], admin: &Admin) {
    let help = "When the token expires, as a Unix timestamp; absent if unknown.";
    text.family("bearerd_token_expiry_timestamp_seconds", FamilyKind::Gauge, help);
    for upstream in upstreams {
        if let Some(end) = upstream.tokens.status().and_then(|status| status.expires) {
            let end = wall_of(end, &*admin.clock).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            text.count(&[("upstream", &upstream.name)], end.as_secs());
        }
    }
}

fn token_requests(text: &mut MetricsText, upstreams: &[AdminUpstream]) {
    text.family("bearerd_token_requests_total", FamilyKind::Counter, "Requests to token endpoints.");
    for upstream in upstreams {
        for (kind, outcome, count) in upstream.token_record.token_requests() {
            text.count(&[("upstream", &upstream.name), ("kind", kind), ("outcome", outcome)], count);
        }
    }
    let took = "Duration of requests to token endpoints.";
    text.family("bearerd_token_request_duration_seconds", FamilyKind::Histogram, took);
    text.histogram(&[], &all_token_requests(upstreams));
}

/// Adds up the durations; records that several upstreams share count once.
fn all_token_requests(upstreams: &[AdminUpstream]) -> Snapshot {
    let mut seen: Vec<&Arc<TokenRecord>> = Vec::new();
    let mut sum = TokenRecord::new("").duration().snapshot();
    for record in upstreams.iter().map(|upstream| &upstream.token_record) {
        if !seen.iter().any(|other| Arc::ptr_eq(other, record)) {
            sum = sum.and(&record.duration().snapshot());
            seen.push(record);
        }
    }
    sum
}

fn per_upstream(text: &mut MetricsText, upstreams: &[AdminUpstream]) {
    text.family("bearerd_requests_in_flight", FamilyKind::Gauge, "Requests in flight.");
    for upstream in upstreams {
        text.count(&[("upstream", &upstream.name)], upstream.record.in_flight());
    }
    text.family("bearerd_token_waits_total", FamilyKind::Counter, "Requests that had to wait for a token.");
    for upstream in upstreams {
        text.count(&[("upstream", &upstream.name)], upstream.token_record.waits());
    }
    text.family("bearerd_subjects", FamilyKind::Gauge, "Subjects with a token in memory.");
    for upstream in upstreams {
        text.count(&[("upstream", &upstream.name)], upstream.tokens.subjects().unwrap_or(0));
    }
}

fn limits(text: &mut MetricsText, admin: &Admin) {
    type Read = fn(&LimitRecord) -> u64;
    let families: [(&str, FamilyKind, &str, Read); 3] = [
        ("bearerd_limit", FamilyKind::Gauge, "Limits that all callers share.", LimitRecord::most),
        ("bearerd_limit_used", FamilyKind::Gauge, "How much of each limit is in use.", LimitRecord::used),
        (
            "bearerd_limit_refusals_total",
            FamilyKind::Counter,
            "How often each limit refused something.",
            LimitRecord::refusals,
        ),
    ];
    for (name, kind, help, read) in families {
        text.family(name, kind, help);
        for limit in Limit::ALL {
            text.count(&[("limit", limit.as_str())], read(admin.proxy.limit(limit)));
        }
    }
}

fn process(text: &mut MetricsText, admin: &Admin) {
    text.family("bearerd_connections", FamilyKind::Gauge, "Open connections from callers.");
    text.count(&[], admin.proxy.connections());
    text.family(
        "bearerd_panics_total",
        FamilyKind::Counter,
        "Bugs in bearerd that ended a request or task; the log says where.",
    );
    text.count(&[], panics::count());
    text.family("bearerd_build_info", FamilyKind::Gauge, "Always 1; the version is in the label.");
    text.count(&[("version", env!("CARGO_PKG_VERSION"))], 1);
}
