//! Yodlee: each user has a token, which must never be used for another.

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock, Said, YODLEE, YODLEE_ADMIN};
use serde_json::json;

use crate::support::{Answer, Bearerd, Door, call, client, eventually, get, outside, problem};

fn door(mock: &Mock) -> Door {
    Door::to(mock, Api::Yodlee).with("admin_login", YODLEE_ADMIN)
}

async fn as_user(bearerd: &Bearerd, user: &str) -> Answer {
    call(client().get(bearerd.url("yodlee", "/whoami")).header("X-Yodlee-Login", user)).await
}

#[tokio::test]
async fn the_login_names_the_user_in_a_header_and_carries_no_authorization() {
    let mock = outside().await;
    let bearerd = Bearerd::start(door(&mock).toml()).await;
    let answer = as_user(&bearerd, "anna").await;
    assert_eq!((answer.status, &answer.json()["subject"]), (200, &json!("anna")));
    let logins = mock.received_by(Api::Yodlee, Kind::Login);
    let login = logins.iter().find(|login| login.header("loginname") == Some("anna")).unwrap();
    assert_eq!((&*login.method, &*login.target), ("POST", "/ysl/auth/token"));
    assert_eq!(login.header("api-version"), Some("1.1"));
    assert_eq!(login.header("authorization"), None);
    assert_eq!(login.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(login.text(), format!("clientId={}&secret={}", YODLEE.id, YODLEE.secret));
    let calls = mock.received_by(Api::Yodlee, Kind::Call);
    assert_eq!((calls.len(), &*calls[0].target), (1, "/ysl/whoami"));
    assert_eq!(calls[0].header("api-version"), Some("1.1"));
    assert_eq!(calls[0].header("content-type"), None);
}

#[tokio::test]
async fn a_life_is_read_from_text_and_number_alike() {
    for said in [json!("1799"), json!(1799)] {
        let mock = outside().await;
        mock.yodlee().says(Said::Instead(said.clone()));
        let bearerd = Bearerd::start(door(&mock).toml()).await;
        assert_eq!(get(&bearerd.url("yodlee", "/accounts")).await.status, 200);
        let left = bearerd.metric("bearerd_token_expiry_timestamp_seconds", &[]).await;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((1700.0..1801.0).contains(&(left - now)), "{said}: {}", left - now);
    }
}

#[tokio::test]
async fn two_users_interleaved_have_a_token_each_and_never_the_others() {
    let mock = outside().await;
    let bearerd = Bearerd::start(door(&mock).toml()).await;
    let mut calls = tokio::task::JoinSet::new();
    let client = client();
    for turn in 0..200 {
        let user = ["anna", "bert"][turn % 2];
        let request = client.get(bearerd.url("yodlee", &format!("/as/{user}"))).header("X-Yodlee-Login", user);
        calls.spawn(call(request));
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    let users = |login: &bearerd::demo::mock::Received| login.header("loginname").unwrap().to_owned();
    let mut logins: Vec<_> = mock.received_by(Api::Yodlee, Kind::Login).iter().map(users).collect();
    logins.retain(|user| user != YODLEE_ADMIN);
    logins.sort();
    assert_eq!(logins, ["anna", "bert"]);
    for call in mock.received_by(Api::Yodlee, Kind::Call) {
        assert_eq!(call.subject.as_deref(), call.target.strip_prefix("/ysl/as/"));
        assert_eq!(call.header("x-yodlee-login"), None, "the subject's header stays here");
    }
}

#[tokio::test]
async fn a_call_without_a_user_uses_the_admin_or_is_refused() {
    let mock = outside().await;
    let (with, without) = (door(&mock), Door::to(&mock, Api::Yodlee).named("strict"));
    let bearerd = Bearerd::start(with.toml() + &without.toml()).await;
    assert_eq!(get(&bearerd.url("yodlee", "/whoami")).await.json()["subject"], YODLEE_ADMIN);
    let refused = get(&bearerd.url("strict", "/whoami")).await;
    problem(&refused, 400, "subject", "http_request_error", Some("strict"));
    assert_eq!(mock.count(Api::Yodlee, Kind::Call), 1);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_here() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Yodlee).toml()).await;
    for wrong in ["ab", "anna b", "", &"x".repeat(151)] {
        problem(&as_user(&bearerd, wrong).await, 400, "subject", "http_request_error", Some("yodlee"));
    }
    let twice =
        client().get(bearerd.url("yodlee", "/")).header("x-yodlee-login", "anna").header("x-yodlee-login", "bert");
    problem(&call(twice).await, 400, "subject", "http_request_error", Some("yodlee"));
    assert!(mock.received().is_empty());
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_other_401s_pass() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Yodlee).toml()).await;
    assert_eq!(as_user(&bearerd, "anna").await.status, 200);
    mock.yodlee().expire_tokens();
    assert_eq!(as_user(&bearerd, "anna").await.status, 200);
    assert_eq!((mock.count(Api::Yodlee, Kind::Login), mock.count(Api::Yodlee, Kind::Call)), (2, 3));
    let locked = json!({ "errorCode": "Y015", "errorMessage": "no" });
    mock.yodlee().next(Kind::Call, Behaviour::json(401, &locked));
    let answer = as_user(&bearerd, "anna").await;
    assert_eq!((answer.status, answer.json()), (401, locked));
    assert_eq!((mock.count(Api::Yodlee, Kind::Login), mock.count(Api::Yodlee, Kind::Call)), (2, 4));
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_for_each_call() {
    let mock = outside().await;
    mock.yodlee().accept_secret("changed");
    let bearerd = Bearerd::start(Door::to(&mock, Api::Yodlee).toml()).await;
    for _ in 0..20 {
        let answer = as_user(&bearerd, "anna").await;
        problem(&answer, 503, "token-rejected", "destination_unavailable", Some("yodlee"));
    }
    let logins = mock.received_by(Api::Yodlee, Kind::Login);
    assert_eq!((logins.len(), logins[0].status), (1, Some(400)));
}

#[tokio::test]
async fn a_user_who_left_is_revoked_with_the_users_own_token_and_a_failure_is_only_logged() {
    for behaviour in [Behaviour::Serve, Behaviour::Fail(500, None)] {
        let mock = outside().await;
        mock.yodlee().set(Kind::Revoke, behaviour.clone());
        let (kept, gone) = (door(&mock).named("kept"), Door::to(&mock, Api::Yodlee));
        // A different variable makes a different account, so that only one upstream has the token.
        let kept = kept.with("client_id", "another");
        let bearerd = Bearerd::start(kept.toml() + &gone.toml()).await;
        assert_eq!(as_user(&bearerd, "anna").await.status, 200);
        let file = bearerd.directory().join("bearerd.toml");
        std::fs::write(file, kept.toml() + "[admin]\nlisten = \"127.0.0.1:0\"\n").unwrap();
        bearerd.signal("HUP");
        eventually("one is revoked", || async { mock.count(Api::Yodlee, Kind::Revoke) == 1 }).await;
        let revoked = mock.received_by(Api::Yodlee, Kind::Revoke);
        let (method, token, user) = (&*revoked[0].method, revoked[0].token, revoked[0].subject.as_deref());
        assert_eq!((method, token, user), ("DELETE", Some(1), Some("anna")));
        if behaviour != Behaviour::Serve {
            bearerd.log().says("not revoked").await;
        }
    }
}
