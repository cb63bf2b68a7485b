use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const BODY: &str = r#"{"a":{"b~/c":"deep","n":86400,"f":1.5,"t":true,"null":null,"empty":"","list":["x",{"y":"z"}]}}"#;

fn find(locator: &[&str], body: &str) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.insert("x-subject-token", HeaderValue::from_static("from-header"));
    headers.append("set-cookie", HeaderValue::from_static("B1SESSION=old; Path=/"));
    headers.append("set-cookie", HeaderValue::from_static("ROUTEID=.node1; Path=/; HttpOnly"));
    headers.append("set-cookie", HeaderValue::from_static("B1SESSION=a=b; Secure"));
    Locator::parse(locator.iter().copied()).unwrap().find(&Located::new(&headers, body.as_bytes()))
}

#[test]
fn each_kind_finds_its_value() {
    for (locator, value) in [
        ("/a/b~0~1c", Some("deep")),
        ("/a/n", Some("86400")),
        ("/a/f", Some("1.5")),
        ("/a/t", Some("true")),
        ("/a/null", None),
        ("/a/empty", None),
        ("/a/list", None),
        ("/a/list/1/y", Some("z")),
        ("/a/list/7", None),
        ("", None),
        ("header:X-Subject-Token", Some("from-header")),
        ("header:X-Other", None),
        ("cookie:ROUTEID", Some(".node1")),
        ("cookie:B1SESSION", Some("a=b")),
        ("cookie:b1session", None),
    ] {
        assert_eq!(find(&[locator], BODY).as_deref(), value, "{locator}");
    }
}

#[test]
fn the_whole_body_is_a_json_string_or_plain_text() {
    assert_eq!(find(&[""], "\"tok\"").as_deref(), Some("tok"));
    assert_eq!(find(&[""], "tok"), None);
    assert_eq!(find(&["text"], " tok\r\n").as_deref(), Some("tok"));
    assert_eq!(find(&["text"], " \n"), None);
    assert_eq!(find(&["/a"], "\u{feff}{\"a\":1}").as_deref(), Some("1"));
}

#[test]
fn a_list_uses_the_first_that_exists() {
    assert_eq!(find(&["/none", "/a/empty", "cookie:ROUTEID", "/a/n"], BODY).as_deref(), Some(".node1"));
    assert_eq!(find(&["/none", "header:none?"], BODY), None);
}

#[test]
fn a_question_mark_makes_it_optional() {
    assert!(Locator::parse(["/a?"]).unwrap().is_optional());
    assert!(Locator::parse(["/a", "text?"]).unwrap().is_optional());
    assert!(!Locator::parse(["/a"]).unwrap().is_optional());
}

#[test]
fn anything_else_is_an_invalid_locator() {
    for wrong in ["access_token", "$.token", "header:", "header:a b", "cookie:", "cookie:a;b", "body", "/a~2"] {
        assert!(Locator::parse([wrong]).is_err(), "{wrong}");
    }
    assert!(Locator::parse([]).is_err());
}

proptest! {
    #[test]
    fn locating_never_panics(locator in "\\PC*|[/~0-9a?:]*", body in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(locator) = Locator::parse([locator.as_str()]) {
            let _ = locator.find(&Located::new(&HeaderMap::new(), &body));
        }
    }
}
