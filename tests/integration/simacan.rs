//! Simacan: one password login, then rotating refresh tokens. Reuse of one ends the session.

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock, SIMACAN};
use tokio::task::JoinSet;

use crate::support::{Bearerd, Door, call, client, eventually, get, outside, problem};

async fn started(mock: &Mock) -> Bearerd {
    Bearerd::start(Door::to(mock, Api::Simacan).toml()).await
}

fn logins_and_refreshes(mock: &Mock) -> (u64, u64) {
    (mock.count(Api::Simacan, Kind::Login), mock.count(Api::Simacan, Kind::Refresh))
}

/// The statuses of several calls at once.
async fn parallel(bearerd: &Bearerd, calls: usize) -> JoinSet<u16> {
    let (client, mut set) = (client(), JoinSet::new());
    for _ in 0..calls {
        let request = client.get(bearerd.url("simacan", "/trips"));
        set.spawn(async { call(request).await.status });
    }
    set
}

#[tokio::test]
async fn a_hundred_cold_calls_are_one_password_login() {
    let mock = outside().await;
    mock.simacan().set(Kind::Login, Behaviour::Stall);
    let bearerd = started(&mock).await;
    let calls = parallel(&bearerd, 100).await;
    eventually("all wait", || async { bearerd.metric("bearerd_requests_in_flight", &[]).await == 100.0 }).await;
    mock.simacan().release(Kind::Login);
    assert_eq!(calls.join_all().await, [200; 100]);
    assert_eq!(logins_and_refreshes(&mock), (1, 0));
    let login = &mock.received_by(Api::Simacan, Kind::Login)[0];
    assert_eq!(login.text(), format!("username={}&password={}", SIMACAN.id, SIMACAN.secret));
    assert!(
        mock.received_by(Api::Simacan, Kind::Call)
            .iter()
            .all(|call| { call.header("authorization").is_some_and(|value| value.starts_with("Bearer ")) })
    );
}

#[tokio::test]
async fn a_hundred_401s_at_once_are_one_refresh_and_no_password() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    bearerd.ready().await;
    mock.simacan().set(Kind::Call, Behaviour::Stall);
    let calls = parallel(&bearerd, 100).await;
    eventually("all arrived", || async { mock.count(Api::Simacan, Kind::Call) == 100 }).await;
    mock.simacan().expire_tokens();
    mock.simacan().release(Kind::Call);
    assert_eq!(calls.join_all().await, [200; 100]);
    assert_eq!(logins_and_refreshes(&mock), (1, 1));
    assert_eq!(mock.count(Api::Simacan, Kind::Call), 200);
}

#[tokio::test]
async fn each_refresh_sends_the_newest_refresh_token_and_never_an_old_one() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    for _ in 0..4 {
        assert_eq!(get(&bearerd.url("simacan", "/trips")).await.status, 200);
        mock.simacan().expire_tokens();
    }
    assert_eq!(logins_and_refreshes(&mock), (1, 3));
    let mut sent: Vec<_> = mock.received_by(Api::Simacan, Kind::Refresh).iter().map(|one| one.text()).collect();
    assert!(sent.iter().all(|body| body.starts_with("refresh_token=")), "{sent:?}");
    sent.dedup();
    assert_eq!(sent.len(), 3);
}

#[tokio::test]
async fn a_refused_refresh_token_is_one_password_login() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    bearerd.ready().await;
    mock.simacan().end_sessions();
    mock.simacan().expire_tokens();
    let calls = parallel(&bearerd, 20).await;
    assert_eq!(calls.join_all().await, [200; 20]);
    assert_eq!(logins_and_refreshes(&mock), (2, 1));
}

#[tokio::test]
async fn a_failed_refresh_keeps_the_refresh_token_and_does_not_log_in() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    bearerd.ready().await;
    mock.simacan().set(Kind::Refresh, Behaviour::Fail(500, None));
    mock.simacan().expire_tokens();
    // The caller gets the response that caused it.
    assert_eq!(get(&bearerd.url("simacan", "/trips")).await.status, 401);
    mock.simacan().set(Kind::Refresh, Behaviour::Serve);
    eventually("it works again", || async { get(&bearerd.url("simacan", "/trips")).await.status == 200 }).await;
    let mut sent: Vec<_> = mock.received_by(Api::Simacan, Kind::Refresh).iter().map(|one| one.text()).collect();
    assert!(sent.len() > 1);
    sent.dedup();
    assert_eq!(sent.len(), 1, "the same refresh token");
    assert_eq!(mock.count(Api::Simacan, Kind::Login), 1);
}

#[tokio::test]
async fn a_refused_password_is_not_sent_again() {
    let mock = outside().await;
    mock.simacan().accept_secret("changed");
    let bearerd = started(&mock).await;
    bearerd.in_state("simacan", "rejected").await;
    for _ in 0..20 {
        let answer = get(&bearerd.url("simacan", "/trips")).await;
        problem(&answer, 503, "token-rejected", "destination_unavailable", Some("simacan"));
    }
    assert_eq!(logins_and_refreshes(&mock), (1, 0));
}

#[tokio::test]
async fn a_constant_401_causes_few_renewals_and_passes_to_the_caller() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    bearerd.ready().await;
    mock.simacan().set(Kind::Call, Behaviour::Refuse(401));
    for _ in 0..30 {
        let answer = get(&bearerd.url("simacan", "/trips")).await;
        assert_eq!((answer.status, answer.code()), (401, None));
        assert_eq!(answer.text(), r#"{"message":"Unauthorized"}"#);
    }
    assert_eq!(logins_and_refreshes(&mock), (1, 1));
    assert_eq!(mock.count(Api::Simacan, Kind::Call), 31);
}
