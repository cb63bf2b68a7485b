use base64::Engine;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::clock::Moment;

/// 2 January 2026, 03:04:05 UTC: when the request was sent. Its reply arrived a second later.
const SENT: u64 = 1_767_323_045;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn reply(headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Reply {
    let pairs =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    Reply {
        status: StatusCode::OK,
        headers: pairs.collect(),
        body: body.into(),
        unread: None,
        sent: Moment::from_start(Duration::from_secs(100)),
        sent_wall: at(SENT),
        received_wall: at(SENT + 1),
    }
}

fn life_of(headers: &[(&'static str, &str)], body: &str, ttl: Option<u64>) -> Option<u64> {
    let reply = reply(headers, format!("{{\"access_token\":\"t\",{body}}}"));
    let grant = ReplyReader::default().grant(&reply, None, ttl.map(Duration::from_secs)).unwrap();
    assert_eq!(grant.issued, reply.sent);
    grant.length().map(|life| life.as_secs())
}

#[test]
fn a_lifetime_counts_from_sending_the_request() {
    assert_eq!(life_of(&[], r#""expires_in":3600"#, None), Some(3600));
    assert_eq!(life_of(&[], r#""expires_in":"1799""#, None), Some(1799));
    assert_eq!(life_of(&[], r#""expires_at":"2026-01-02T04:04:05Z""#, None), Some(3600));
    assert_eq!(life_of(&[], &format!("\"expires_at\":{}", (SENT + 60) * 1000), None), Some(60));
}

#[test]
fn an_unusable_refresh_token_still_replaces_the_old_one() {
    let read = |body: &str| {
        let reply = |body: String| reply(&[], body);
        let read = |body, previous| ReplyReader::default().grant(&body, previous, None).unwrap();
        let old = read(reply(r#"{"access_token":"t","refresh_token":"old"}"#.to_owned()), None);
        let new = read(reply(format!(r#"{{"access_token":"u"{body}}}"#)), Some(&old));
        new.refresh.map(|secret| secret.expose().to_owned())
    };
    for (body, refresh) in [
        ("", Some("old")),
        (r#","refresh_token":null"#, Some("old")),
        (r#","refresh_token":"""#, Some("old")),
        (r#","refresh_token":true"#, Some("old")),
        (r#","refresh_token":" new\n""#, Some("new")),
        (r#","refresh_token":"ne\nw""#, None),
        (r#","refresh_token":"ne\u0000w""#, None),
    ] {
        assert_eq!(read(body).as_deref(), refresh, "{body}");
    }
}

#[test]
fn the_sources_of_a_lifetime_have_an_order() {
    let both = r#""expires_in":10,"expires_at":1767323645"#;
    assert_eq!(life_of(&[], both, Some(5)), Some(10));
    assert_eq!(life_of(&[], r#""expires_in":"","expires_at":1767323645"#, Some(5)), Some(600));
    assert_eq!(life_of(&[], r#""expires_in":"177:05:38""#, Some(5)), Some(5));
    assert_eq!(life_of(&[], r#""expires_at":"whenever""#, None), None);
    assert_eq!(life_of(&[], r#""expires_in":null,"expires_at":null"#, None), None);
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{}}}", SENT + 30));
    let jwt = |body: &str| {
        let reply = reply(&[], format!("{{\"access_token\":\"e30.{claims}.x\"{body}}}"));
        ReplyReader::default().grant(&reply, None, Some(Duration::from_secs(5))).unwrap().length()
    };
    assert_eq!(jwt(""), Some(Duration::from_secs(30)));
    assert_eq!(jwt(r#","expires_in":7"#), Some(Duration::from_secs(7)));
}

#[test]
fn an_absolute_expiry_is_measured_by_the_servers_clock() {
    let end = r#""expires_at":1767326645"#;
    let date = |text: &str| life_of(&[("date", text)], end, None);
    assert_eq!(date("Fri, 02 Jan 2026 03:04:10 GMT"), Some(3600), "4 s off: within the resolution");
    assert_eq!(date("Fri, 02 Jan 2026 03:14:06 GMT"), Some(3000), "ten minutes ahead");
    assert_eq!(date("Fri, 02 Jan 2026 02:54:06 GMT"), Some(4200), "ten minutes behind");
    assert_eq!(date("nonsense"), Some(3600));
}

#[test]
fn an_expiry_before_the_reply_is_ignored() {
    assert_eq!(life_of(&[], r#""expires_at":"Thu, 27 Sep 2025 08:49:37 GMT""#, None), None);
}

#[test]
fn a_reply_without_a_token_is_an_error() {
    for body in ["{}", r#"{"accessToken":"t"}"#, r#"{"access_token":""}"#, r#"{"access_token":null}"#, "<html>", ""] {
        let error = ReplyReader::default().grant(&reply(&[], body.to_owned()), None, None).unwrap_err();
        assert_eq!(error, "no token at /access_token", "{body}");
    }
}

#[test]
fn values_missing_in_a_refresh_reply_are_kept() {
    let mut read = ReplyReader::default();
    read.captures.push(("host".into(), Locator::pointer("/host")));
    let first = reply(&[], r#"{"access_token":"1","refresh_token":"r1","host":"h"}"#);
    let first = read.grant(&first, None, None).unwrap();
    let kept = read.grant(&reply(&[], r#"{"access_token":"2"}"#), Some(&first), None).unwrap();
    assert_eq!((kept.refresh, kept.captures.get("host")), (Some(Secret::new("r1")), Some(&Secret::new("h"))));
    let rotated = reply(&[], r#"{"access_token":"2","refresh_token":"r2","host":"i"}"#);
    let rotated = read.grant(&rotated, Some(&first), None).unwrap();
    assert_eq!((rotated.refresh, rotated.captures.get("host")), (Some(Secret::new("r2")), Some(&Secret::new("i"))));
}

#[test]
fn a_missing_capture_is_an_error_unless_it_is_optional() {
    let mut read = ReplyReader::default();
    read.captures.push(("uid".into(), Locator::pointer("/result/uid")));
    let bare = reply(&[], r#"{"access_token":"t"}"#);
    assert_eq!(read.grant(&bare, None, None).unwrap_err(), "no `uid` at /result/uid");
    read.captures = vec![("uid".into(), Locator::pointer("/result/uid").or_nothing())];
    assert!(read.grant(&bare, None, None).unwrap().captures.is_empty());
}

#[test]
fn an_unused_refresh_token_is_not_stored() {
    let mut read = ReplyReader::default();
    read.drop_unused(true, false);
    let grant = read.grant(&reply(&[], r#"{"access_token":"t","refresh_token":"r"}"#), None, None).unwrap();
    assert_eq!(grant.refresh, None);
}

#[test]
fn the_servers_renewal_time_is_kept() {
    let grant =
        ReplyReader::default().grant(&reply(&[], r#"{"access_token":"t","refresh_in":"900"}"#), None, None).unwrap();
    assert_eq!(grant.refresh_in, Some(Duration::from_secs(900)));
}

proptest! {
    #[test]
    fn an_invalid_lifetime_does_not_fail_a_login(text in "\\PC*", number in any::<f64>(), date in "[ -~]*") {
        let text = serde_json::Value::from(text);
        for value in [text.to_string(), serde_json::Value::from(number).to_string()] {
            let body = format!(r#"{{"access_token":"t","expires_in":{value},"expires_at":{value},"refresh_in":{value}}}"#);
            prop_assert!(ReplyReader::default().grant(&reply(&[("date", &date)], body), None, None).is_ok());
        }
    }
}
