//! D&B Europe: HTTP Basic without form-encoding of id and secret.

use base64::Engine as _;
use bearerd::demo::mock::{Api, DNB, Kind};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::{Bearerd, Door, get, outside, problem};

#[tokio::test]
async fn the_login_is_basic_of_the_plain_pair_with_the_scopes_in_a_form() {
    let mock = outside().await;
    let door = Door::to(&mock, Api::Dnb).with("scope", "bci consumer");
    let bearerd = Bearerd::start(door.toml()).await;
    assert_eq!(get(&bearerd.url("dnb-europe", "/companies")).await.status, 200);
    let logins = mock.received_by(Api::Dnb, Kind::Login);
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", DNB.id, DNB.secret));
    assert_eq!(logins[0].header("authorization"), Some(&*format!("Basic {pair}")));
    assert_eq!(logins[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(logins[0].text().replace("%20", "+"), "grant_type=client_credentials&scope=bci+consumer");
    assert_eq!(logins.len(), 1);
}

#[tokio::test]
async fn renewal_is_planned_well_before_the_vendors_margin_of_a_minute() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Dnb).toml()).await;
    bearerd.ready().await;
    let token = bearerd.status_of("dnb-europe").await["token"].clone();
    let at = |name: &str| OffsetDateTime::parse(token[name].as_str().unwrap(), &Rfc3339).unwrap();
    let life = at("expires_at") - at("obtained_at");
    let renewal = (at("next_renewal_at") - at("obtained_at")).as_seconds_f64() / life.as_seconds_f64();
    assert!((0.64..0.76).contains(&renewal), "{renewal}");
    assert!((at("expires_at") - at("next_renewal_at")).whole_seconds() > 60);
}

#[tokio::test]
async fn after_refused_credentials_requests_fail_at_once_and_renewals_are_held() {
    let mock = outside().await;
    mock.dnb().accept_secret("changed");
    let bearerd = Bearerd::start(Door::to(&mock, Api::Dnb).toml()).await;
    bearerd.in_state("dnb-europe", "rejected").await;
    for _ in 0..20 {
        let answer = get(&bearerd.url("dnb-europe", "/companies")).await;
        problem(&answer, 503, "token-rejected", "destination_unavailable", Some("dnb-europe"));
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    bearerd.log().says("Bad credentials").await;
    assert_eq!((mock.count(Api::Dnb, Kind::Login), mock.count(Api::Dnb, Kind::Call)), (1, 0));
    let error = bearerd.status_of("dnb-europe").await["last_error"].clone();
    assert!(error["message"].as_str().unwrap().contains("Bad credentials"), "{error}");
}

#[tokio::test]
async fn a_token_that_the_api_forgot_costs_one_new_token_and_one_repeat() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::to(&mock, Api::Dnb).toml()).await;
    bearerd.ready().await;
    mock.dnb().expire_tokens();
    assert_eq!(get(&bearerd.url("dnb-europe", "/companies")).await.status, 200);
    let calls: Vec<_> = mock.received_by(Api::Dnb, Kind::Call).iter().map(|call| (call.token, call.status)).collect();
    assert_eq!(calls, [(Some(1), Some(401)), (Some(2), Some(200))]);
    assert_eq!(mock.count(Api::Dnb, Kind::Login), 2);
}
