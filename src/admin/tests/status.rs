use serde_json::json;

use super::*;
use crate::record::{Blame, Finished, Limit, Replay};
use crate::secret::Secret;
use crate::token::action::Action;
use crate::token::status::LastError;

/// The start of a paused clock's wall time.
const WALL: &str = "2027-01-15T08:00:00Z";

fn whole(clock: &SharedClock) -> Status {
    Status {
        state: State::Degraded,
        generation: Some(Generation(4)),
        obtained_at: Some(clock.wall() - Duration::from_secs(60)),
        expires: Some(clock.now() + Duration::from_secs(3600)),
        next_renewal: Some(clock.now() - Duration::from_secs(1)),
        last_error: Some(LastError {
            code: "token-failing",
            message: "no answer".to_owned(),
            action: Action::Wait,
            at: clock.wall(),
        }),
    }
}

pub(super) fn finish(upstream: &AdminUpstream, path: &str, method: &Method) {
    upstream.record.started();
    upstream.record.finished(&Finished {
        at: SystemTime::UNIX_EPOCH,
        method,
        path,
        status: 401,
        code: None,
        blame: Blame::Token,
        cut: false,
        attempts: 2,
        generation: Some(1),
        whole: Duration::from_millis(30),
        upstream: Some(Duration::from_millis(20)),
        replay: Some(Replay::Rejected),
    });
}

#[tokio::test(start_paused = true)]
async fn status_shows_the_state_of_each_upstream() {
    let stage = Stage::new();
    stage.token_is(Some(whole(&stage.admin.clock)));
    let upstream = &stage.admin.upstreams.load()[0];
    finish(upstream, "/a", &Method::GET);
    upstream.record.started();
    let expected = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": WALL,
        "upstreams": [{
            "name": "younium",
            "listen": "localhost:8080",
            "url": "https://api.example",
            "flow": "younium",
            "state": "degraded",
            "subjects": 7,
            "token": {
                "generation": 4,
                "obtained_at": "2027-01-15T07:59:00Z",
                "expires_at": "2027-01-15T09:00:00Z",
                "next_renewal_at": "2027-01-15T07:59:59Z",
                "life_left_seconds": 3600,
            },
            "last_error": { "code": "token-failing", "message": "no answer", "action": "wait", "at": WALL },
            "requests": { "total": 1, "in_flight": 1, "replays": 1 },
        }],
        "limits": {
            "connections": { "limit": 1024, "used": 3, "refusals": 1 },
            "requests": { "limit": 0, "used": 0, "refusals": 0 },
            "sockets": { "limit": 0, "used": 0, "refusals": 0 },
            "memory_bytes": { "limit": 0, "used": 0, "refusals": 0 },
        },
    });
    let connections = stage.admin.proxy.limit(Limit::Connections);
    connections.set_most(1024);
    connections.set_used(3);
    connections.refused();
    assert_eq!(stage.get("/status").await.json(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_without_a_token_has_none_in_its_status() {
    let stage = Stage::new();
    stage.token_is(Some(status(State::Starting)));
    let starting = stage.get("/status").await.json();
    assert_eq!(
        (&starting["upstreams"][0]["state"], &starting["upstreams"][0]["token"]),
        (&json!("starting"), &json!(null))
    );
    stage.token_is(None);
    assert_eq!(stage.get("/status").await.json()["upstreams"][0]["state"], json!(null));
    stage.admin.upstreams.store(Arc::default());
    assert_eq!(stage.get("/status").await.json()["upstreams"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn neither_status_nor_metrics_hold_what_callers_or_operators_keep_secret() {
    let stage = Stage::with(|admin| admin.access.key = Some(Secret::new("canary-key")));
    stage.token_is(Some(whole(&stage.admin.clock)));
    finish(&stage.admin.upstreams.load()[0], "/canary-path", &Method::from_bytes(b"CANARY-METHOD").unwrap());
    for path in ["/status?canary-query", "/metrics?canary-query", "/refresh?upstream=canary-name"] {
        let mut request = request(Method::GET, path, LOCAL);
        request.headers_mut().insert("x-bearerd-key", "canary-key".parse().unwrap());
        request.headers_mut().insert("authorization", "Bearer canary-token".parse().unwrap());
        let answer = stage.send(request).await;
        assert!(!answer.body.to_lowercase().contains("canary"), "{}", answer.body);
    }
}
