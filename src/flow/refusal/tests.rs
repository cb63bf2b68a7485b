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
    Reply { status, headers: map, body: body.into(), sent, sent_wall: wall, received_wall: wall }
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

#[test]
fn a_grant_is_dead_when_the_server_says_so_or_says_nothing() {
    for (status, body, dead) in [
        (400, r#"{"error":"invalid_grant"}"#, true),
        (401, r#"{"error":"invalid_grant"}"#, true),
        (401, "", true),
        (400, "<html>", true),
        (401, r#"{"error":null}"#, true),
        (401, r#"{"message":"expired"}"#, true),
        (400, r#"{"error":"invalid_client"}"#, false),
        (400, r#"{"error":{"code":"invalid_grant"}}"#, false),
        (403, r#"{"error":"invalid_grant"}"#, false),
        (500, r#"{"error":"invalid_grant"}"#, false),
    ] {
        assert_eq!(error(status, body).grant_is_dead, dead, "{status} {body}");
    }
}

#[test]
fn the_servers_own_words_are_found_wherever_it_puts_them() {
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
fn a_success_without_a_token_says_what_was_missing_and_what_came() {
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
        "POST https://a: 302 Found: redirects are not followed; this one goes to https://b.example/login"
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

#[test]
fn echoed_secrets_are_masked_in_every_spelling() {
    let mut mask = Mask::default();
    mask.add("can+ary é");
    mask.add("can");
    mask.add("");
    for echo in ["can+ary é", "can%2Bary+%C3%A9", "can%2Bary%20%C3%A9"] {
        assert_eq!(mask.clean(&format!("bad secret {echo}!")), "bad secret …!");
    }
    assert_eq!(mask.clean("can"), "…");
}

#[test]
fn foreign_text_is_bounded_and_has_no_control_characters() {
    let clean = Mask::default().clean(&format!("a\r\nb\u{1b}[31m{}", "é".repeat(1000)));
    assert!(clean.starts_with("a  b [31mé"));
    assert_eq!(clean.chars().count(), SHOWN + 1);
    assert!(clean.ends_with('…'));
}

#[test]
fn a_secret_at_the_cut_is_masked_before_the_text_is_cut() {
    let mut mask = Mask::default();
    mask.add("canary");
    let clean = mask.clean(&format!("{}canary", "x".repeat(SHOWN - 3)));
    assert!(!clean.contains("can"), "{clean}");
}
