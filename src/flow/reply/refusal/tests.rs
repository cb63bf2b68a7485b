use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::*;
use crate::clock::Moment;

fn reply(status: u16, headers: &[(&'static str, &'static str)], body: impl Into<Bytes>) -> Reply {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_static(value));
    }
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    let sent = Moment::from_start(Duration::ZERO);
    let status = StatusCode::from_u16(status).unwrap();
    Reply { status, headers: map, body: body.into(), unread: None, sent, sent_wall: wall, received_wall: wall }
}

fn error(status: u16, body: &'static str) -> MintError {
    refused("POST https://a", &reply(status, &[], body), &Mask::default())
}

#[test]
fn bad_credentials_come_as_400_401_or_403_and_everything_else_is_a_failure() {
    for (status, outcome) in [
        (400, Outcome::Rejected),
        (401, Outcome::Rejected),
        (403, Outcome::Rejected),
        (302, Outcome::Status),
        (404, Outcome::Status),
        (408, Outcome::Status),
        (425, Outcome::Status),
        (429, Outcome::Status),
        (500, Outcome::Status),
        (503, Outcome::Status),
    ] {
        assert_eq!(error(status, "").outcome, outcome, "{status}");
    }
}

const BODIES: [&str; 14] = [
    "",
    "<html>",
    "null",
    "[]",
    r#"{"error":"invalid_grant"}"#,
    r#"{"error":null}"#,
    r#"{"error":""}"#,
    r#"{"error":true}"#,
    r#"{"error":"Unauthorized","status":401}"#,
    r#"{"error":"invalid_token"}"#,
    r#"{"error":"Refresh token expired"}"#,
    r#"{"error":{"code":"invalid_client"}}"#,
    r#"{"errors":["invalid_client"]}"#,
    r#"{"message":"expired","error_description":"invalid_client"}"#,
];

#[test]
fn a_refused_refresh_token_is_invalid_unless_the_client_is_refused() {
    for status in [400, 401, 404, 410] {
        for body in BODIES {
            assert!(error(status, body).grant_is_dead, "{status} {body}");
        }
        for code in ["invalid_client", "unauthorized_client"] {
            let body: &'static str = format!(r#"{{"error":"{code}"}}"#).leak();
            let error = error(status, body);
            assert_eq!((error.grant_is_dead, error.outcome), (false, Outcome::Rejected), "{status} {code}");
        }
    }
    for status in [302, 402, 403, 405, 408, 409, 422, 425, 429, 500, 502, 503] {
        assert!(BODIES.iter().all(|body| !error(status, body).grant_is_dead), "{status}");
    }
}

#[test]
fn the_advice_follows_from_the_endpoints_reply() {
    for (status, body, action) in [
        (401, "", None),
        (400, r#"{"error":"invalid_client"}"#, None),
        (404, r#"{"error":"invalid_client"}"#, None),
        (400, r#"{"error":"invalid_scope"}"#, Some(Action::FixConfiguration)),
        (403, r#"{"error":"unauthorized_client"}"#, Some(Action::FixConfiguration)),
        (302, "", Some(Action::FixConfiguration)),
        (404, "", Some(Action::FixConfiguration)),
        (415, "", Some(Action::FixConfiguration)),
        (408, "", None),
        (425, "", None),
        (429, "", None),
        (500, "", None),
        (503, "", None),
    ] {
        assert_eq!(error(status, body).action, action, "{status} {body}");
    }
}

#[test]
fn the_servers_error_message_is_found_in_every_format() {
    for (body, words) in [
        (r#"{"error":"invalid_client","error_description":"Bad credentials"}"#, ": Bad credentials"),
        (r#"{"error":"msg"}"#, ": msg"),
        (r#"{"errors":["one","two"]}"#, ": one"),
        (r#"{"errorCode":"Y301","errorMessage":"Invalid clientId"}"#, ": Invalid clientId"),
        (r#"{"errcode":40013,"errmsg":"invalid appid"}"#, ": invalid appid"),
        (r#"{"message":"no"}"#, ": no"),
        ("<html>", ""),
    ] {
        assert_eq!(error(401, body).message, format!("POST https://a: 401 Unauthorized{words}"));
    }
}

#[test]
fn a_success_without_a_token_is_described() {
    let reply = reply(200, &[], r#"{"errcode":40013,"errmsg":"invalid appid"}"#);
    let error = unusable("GET https://a", "no token at /access_token", &reply, &Mask::default());
    assert_eq!(error.message, "GET https://a: 200 OK, but no token at /access_token: invalid appid");
    assert_eq!((error.outcome, error.grant_is_dead), (Outcome::BadReply, false));
}

#[test]
fn a_redirect_is_named_without_its_query() {
    let reply = reply(302, &[("location", "https://b.example/login?state=canary")], "");
    let error = refused("POST https://a", &reply, &Mask::default());
    assert_eq!(
        error.message,
        "POST https://a: 302 Found: redirects are not followed; this one points to https://b.example/login"
    );
}

#[test]
fn retry_after_is_seconds_or_a_date_of_the_servers_clock() {
    let wait = |headers: &[(&'static str, &'static str)]| {
        refused("x", &reply(503, headers, ""), &Mask::default()).retry_after.map(|wait| wait.as_secs())
    };
    assert_eq!(wait(&[("retry-after", "120")]), Some(120));
    assert_eq!(wait(&[("retry-after", "Fri, 02 Jan 2026 03:05:05 GMT")]), Some(60));
    let skewed = [("retry-after", "Fri, 02 Jan 2026 04:05:05 GMT"), ("date", "Fri, 02 Jan 2026 04:04:05 GMT")];
    assert_eq!(wait(&skewed), Some(60));
    assert_eq!(wait(&[("retry-after", "Fri, 02 Jan 2026 03:00:00 GMT")]), Some(0));
    assert_eq!(wait(&[("retry-after", "soon")]), None);
    assert_eq!(wait(&[("retry-after", "99999999999999999999999")]), None);
    assert_eq!(wait(&[]), None);
}
