use http::HeaderValue;

use super::*;
use crate::document::{Document, Layer};
use crate::flow::template::reader::FlowNames;

fn expired(text: &str) -> Expired {
    let document = Document::merge([Layer::toml("x.toml", text).unwrap()]);
    let problems = Problems::default();
    let root = document.root();
    let reader = FlowReader::new(&problems, &root, FlowNames::default());
    let node = root.table(&problems).unwrap().get("expired");
    let expired = Expired::read(&reader, node.as_ref());
    assert!(!problems.has_errors());
    expired
}

fn verdict(expired: &Expired, status: u16, headers: &[(&'static str, &'static str)]) -> Verdict {
    let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
    expired.verdict(StatusCode::from_u16(status).unwrap(), &map)
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[test]
fn by_default_401_and_a_trailers_only_grpc_16_mean_expired_and_403_does_not() {
    let expired = expired("");
    assert_eq!(verdict(&expired, 401, &[]), Verdict::Expired);
    assert_eq!(verdict(&expired, 200, &[("grpc-status", "16")]), Verdict::Expired);
    assert_eq!(verdict(&expired, 200, &[("grpc-status", "7")]), Verdict::Accepted);
    assert_eq!(verdict(&expired, 403, &[JSON]), Verdict::Accepted);
    assert_eq!(verdict(&expired, 200, &[JSON]), Verdict::Accepted);
}

#[test]
fn written_statuses_replace_the_default() {
    let more = expired("expired = { status = [401, 403] }");
    assert_eq!(verdict(&more, 403, &[]), Verdict::Expired);
    let other = expired("expired = { status = [498] }");
    assert_eq!(verdict(&other, 401, &[]), Verdict::Accepted);
    assert_eq!(verdict(&other, 200, &[("grpc-status", "16")]), Verdict::Accepted);
}

#[test]
fn with_when_only_the_body_decides() {
    let expired = expired(r#"expired = { when = [{ status = 401, at = "/errorCode", in = ["Y020", "119"] }] }"#);
    assert!(expired.reads_bodies());
    assert_eq!(verdict(&expired, 401, &[JSON]), Verdict::AskBody);
    assert_eq!(verdict(&expired, 401, &[("content-type", "text/html")]), Verdict::AskBody, "regardless of its type");
    assert_eq!(verdict(&expired, 401, &[]), Verdict::AskBody);
    assert!(!expired.reads_text());
    assert_eq!(verdict(&expired, 200, &[JSON]), Verdict::Accepted);
    let says = |status: u16, body: &str| {
        expired.body_says_expired(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    };
    assert!(says(401, r#"{"errorCode":"Y020"}"#));
    assert!(says(401, r#"{"errorCode":119}"#), "numbers compare as text");
    assert!(!says(401, r#"{"errorCode":"Y015"}"#));
    assert!(!says(200, r#"{"errorCode":"Y020"}"#));
    assert!(!says(401, "no json"));
}

#[test]
fn without_a_status_the_body_of_any_response_is_checked() {
    let expired = expired(r#"expired = { status = [401], when = [{ at = "/errcode", in = ["42001"] }] }"#);
    assert_eq!(verdict(&expired, 200, &[("content-type", "application/problem+json")]), Verdict::AskBody);
    assert_eq!(verdict(&expired, 401, &[JSON]), Verdict::Expired);
}

#[test]
fn the_whole_body_as_text_may_decide() {
    for at in ["text", ""] {
        let expired = expired(&format!(r#"expired = {{ when = [{{ at = "{at}", in = ["stale"] }}] }}"#));
        assert!(expired.reads_text() && expired.reads_bodies());
        let body = if at.is_empty() { "\"stale\"" } else { " stale\n" };
        assert!(expired.body_says_expired(StatusCode::OK, &HeaderMap::new(), body.as_bytes()));
    }
}

#[test]
fn a_header_decides_without_the_body() {
    let expired = expired(r#"expired = { when = [{ at = "header:X-Error", in = ["stale"] }] }"#);
    assert_eq!(verdict(&expired, 200, &[JSON, ("x-error", "stale")]), Verdict::Expired);
    assert_eq!(verdict(&expired, 200, &[JSON, ("x-error", "other")]), Verdict::Accepted);
    assert!(!expired.reads_bodies());
}
