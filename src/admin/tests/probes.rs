use super::*;
use crate::shutdown::Phase;

#[tokio::test(start_paused = true)]
async fn it_lives_while_the_data_path_moves_whatever_the_token_does() {
    let stage = Stage::new();
    stage.token_is(Some(status(State::Rejected)));
    assert_eq!(stage.get("/livez").await.status, 200);
    assert_eq!(stage.get("/healthz").await.status, 200);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(stage.get("/livez").await.status, 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(stage.get("/livez").await.code(), (503, "stalled".to_owned()));
    stage.admin.proxy.beat(stage.admin.clock.now().since_start().as_secs());
    assert_eq!(stage.get("/livez").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn it_has_started_with_the_first_token_and_stays_so() {
    let stage = Stage::new();
    stage.token_is(Some(status(State::Starting)));
    let answer = stage.get("/startupz").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (503, serde_json::json!(["younium"])));
    stage.token_is(Some(status(State::Expired)));
    assert_eq!(stage.get("/startupz").await.status, 200);
    stage.token_is(Some(status(State::Starting)));
    assert_eq!(stage.get("/startupz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn it_has_started_when_the_hold_is_over() {
    let stage = Stage::new();
    stage.token_is(Some(status(State::Starting)));
    tokio::time::advance(Duration::from_secs(14)).await;
    assert_eq!(stage.get("/startupz").await.status, 503);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(stage.get("/startupz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_while_every_required_token_is_usable() {
    let stage = Stage::new();
    for (state, ready) in [
        (State::Starting, false),
        (State::Fresh, true),
        (State::Degraded, true),
        (State::Expired, false),
        (State::Rejected, false),
    ] {
        stage.token_is(Some(status(state)));
        let answer = stage.get("/readyz").await;
        assert_eq!(answer.status == 200, ready, "{state:?}");
        assert!(ready || answer.json() == serde_json::json!(["younium"]), "{}", answer.body);
    }
}

#[tokio::test(start_paused = true)]
async fn upstreams_that_are_not_required_or_wait_for_a_subject_do_not_count() {
    let stage = Stage::new();
    let broken = Arc::new(FakeTokens::default());
    *broken.status.lock().unwrap() = Some(status(State::Starting));
    stage.add(AdminUpstream { required: false, ..upstream("optional", &broken) });
    stage.add(upstream("per-user", &Arc::new(FakeTokens::default())));
    assert_eq!(stage.get("/readyz").await.status, 200);
    assert_eq!(stage.get("/startupz").await.status, 200);
    stage.add(upstream("broken", &broken));
    assert_eq!(stage.get("/readyz").await.json(), serde_json::json!(["broken"]));
}

#[tokio::test(start_paused = true)]
async fn during_shutdown_it_is_live_but_not_ready() {
    let stage = Stage::new();
    for phase in [Phase::Announced, Phase::Draining, Phase::Cut] {
        stage.trigger.advance(phase);
        assert_eq!(stage.get("/readyz").await.status, 503);
        assert_eq!(stage.get("/livez").await.status, 200);
    }
}
