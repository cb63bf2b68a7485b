//! The one way to point into a reply: `/json/pointer`, `header:Name`, `cookie:Name`, `text`, or a list of these, of
//! which the first that exists counts. A `?` at the end makes it optional.

use std::cell::OnceCell;

use http::{HeaderMap, HeaderName, header};
use serde_json::Value;

/// Where a value is in a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Locator {
    choices: Vec<Spot>,
    optional: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Spot {
    /// RFC 6901; empty for the whole JSON value.
    Pointer(String),
    Header(HeaderName),
    Cookie(String),
    /// The whole body, trimmed.
    Text,
}

/// A reply as locators see it; the body is parsed when the first pointer asks.
pub(super) struct Located<'a> {
    headers: &'a HeaderMap,
    body: &'a [u8],
    json: OnceCell<Option<Value>>,
}

impl<'a> Located<'a> {
    /// A view of these headers and this body.
    pub(super) fn new(headers: &'a HeaderMap, body: &'a [u8]) -> Self {
        Self { headers, body, json: OnceCell::new() }
    }

    /// The body as JSON, if it is JSON.
    pub(super) fn json(&self) -> Option<&Value> {
        let parse = || {
            // Some servers begin with a byte order mark, which JSON forbids.
            let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.body);
            serde_json::from_slice(body).ok()
        };
        self.json.get_or_init(parse).as_ref()
    }

    fn cookie(&self, name: &str) -> Option<String> {
        let values = self.headers.get_all(header::SET_COOKIE).iter();
        let pairs = values.filter_map(|value| value.to_str().ok()?.split(';').next()?.split_once('='));
        pairs.filter(|(own, _)| own.trim() == name).map(|(_, value)| value.trim().to_owned()).next_back()
    }
}

impl Spot {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('/') {
            return check_pointer(text).map(Self::Pointer);
        }
        match text.split_once(':') {
            None if text == "text" => Ok(Self::Text),
            Some(("header", name)) => {
                let header = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header name"))?;
                Ok(Self::Header(header))
            }
            Some(("cookie", name)) if is_cookie_name(name) => Ok(Self::Cookie(name.to_owned())),
            Some(("cookie", name)) => Err(format!("`{name}` is no cookie name")),
            _ => Err(format!("`{text}` is no locator")),
        }
    }

    fn find(&self, reply: &Located<'_>) -> Option<String> {
        match self {
            Self::Pointer(pointer) => text_of(reply.json()?.pointer(pointer)?),
            Self::Header(name) => Some(String::from_utf8_lossy(reply.headers.get(name)?.as_bytes()).trim().to_owned()),
            Self::Cookie(name) => reply.cookie(name),
            Self::Text => Some(std::str::from_utf8(reply.body).ok()?.trim().to_owned()),
        }
    }
}

impl Locator {
    /// A locator made of one text or of several, first of them first. The error says what is wrong.
    pub(super) fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        let mut locator = Self { choices: Vec::new(), optional: false };
        for text in texts {
            let stripped = text.strip_suffix('?');
            locator.optional |= stripped.is_some();
            locator.choices.push(Spot::parse(stripped.unwrap_or(text))?);
        }
        if locator.choices.is_empty() { Err("an empty list points nowhere".to_owned()) } else { Ok(locator) }
    }

    /// A locator that is one JSON pointer.
    pub(super) fn pointer(pointer: &str) -> Self {
        Self { choices: vec![Spot::Pointer(pointer.to_owned())], optional: false }
    }

    /// The same, but a reply without it is no failure.
    pub(super) fn or_nothing(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Whether a reply without it is no failure.
    pub(super) fn is_optional(&self) -> bool {
        self.optional
    }

    /// The value as text; an empty one counts as none.
    pub(super) fn find(&self, reply: &Located<'_>) -> Option<String> {
        self.choices.iter().filter_map(|spot| spot.find(reply)).find(|text| !text.is_empty())
    }

    /// The header, for a locator that is exactly one.
    pub(super) fn as_header(&self) -> Option<&HeaderName> {
        match self.choices.as_slice() {
            [Spot::Header(name)] => Some(name),
            _ => None,
        }
    }

    /// Whether the head of a reply is not enough.
    pub(super) fn needs_body(&self) -> bool {
        self.choices.iter().any(|spot| matches!(spot, Spot::Pointer(_) | Spot::Text))
    }
}

/// As it was written, for messages.
impl std::fmt::Display for Locator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, spot) in self.choices.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " or " })?;
            match spot {
                Spot::Pointer(pointer) if pointer.is_empty() => f.write_str("the whole body"),
                Spot::Pointer(pointer) => f.write_str(pointer),
                Spot::Header(name) => write!(f, "header:{name}"),
                Spot::Cookie(name) => write!(f, "cookie:{name}"),
                Spot::Text => f.write_str("text"),
            }?;
        }
        Ok(())
    }
}

/// Text, numbers and truth values as text; there is none in `null`, a list or a table.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn check_pointer(text: &str) -> Result<String, String> {
    let escapes_well = text.split('~').skip(1).all(|tail| tail.starts_with(['0', '1']));
    if escapes_well { Ok(text.to_owned()) } else { Err(format!("`{text}`: `~` is written `~0` in a JSON pointer")) }
}

/// RFC 6265: a token.
pub(super) fn is_cookie_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const BODY: &str =
        r#"{"a":{"b~/c":"deep","n":86400,"f":1.5,"t":true,"null":null,"empty":"","list":["x",{"y":"z"}]}}"#;

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
    fn a_list_takes_the_first_that_exists() {
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
    fn anything_else_is_no_locator() {
        for wrong in ["access_token", "$.token", "header:", "header:a b", "cookie:", "cookie:a;b", "body", "/a~2"] {
            assert!(Locator::parse([wrong]).is_err(), "{wrong}");
        }
        assert!(Locator::parse([]).is_err());
    }

    proptest! {
        #[test]
        fn no_locator_and_no_body_panics(locator in "\\PC*|[/~0-9a?:]*", body in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(locator) = Locator::parse([locator.as_str()]) {
                let _ = locator.find(&Located::new(&HeaderMap::new(), &body));
            }
        }
    }
}
