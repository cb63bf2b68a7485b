//! Locators of values in a reply: `/json/pointer`, `header:Name`, `cookie:Name`, `text`, or a list of these, of which
//! the first that exists counts. A trailing `?` makes a locator optional.

mod repair;

use std::borrow::Cow;
use std::cell::OnceCell;

use http::{HeaderMap, HeaderName, header};
use serde_json::Value;

use crate::flow::template::reader::is_cookie_name;

const NOT_UTF8: &str = "is not UTF-8 text";
/// The maximum length of a credential: servers accept heads of 8 to 64 KiB.
const LONGEST: usize = 64 << 10;

/// The location of a value in a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::flow) struct Locator {
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

/// A reply as locators see it. The body is parsed when the first pointer needs it.
pub(in crate::flow) struct Located<'a> {
    headers: &'a HeaderMap,
    body: &'a [u8],
    json: OnceCell<Option<Value>>,
}

impl<'a> Located<'a> {
    pub(in crate::flow) fn new(headers: &'a HeaderMap, body: &'a [u8]) -> Self {
        Self { headers, body, json: OnceCell::new() }
    }

    /// The body as JSON, if it is valid.
    pub(in crate::flow) fn json(&self) -> Option<&Value> {
        let parse = || {
            // Some servers start with a byte order mark, which JSON forbids.
            let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.body);
            // One odd field, such as one in another encoding, must not lose the others.
            serde_json::from_slice(body).ok().or_else(|| {
                let text = String::from_utf8_lossy(body);
                let repaired = || serde_json::from_str(&repair::repaired(&text)?).ok();
                serde_json::from_str(&text).ok().or_else(repaired)
            })
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
                let header = HeaderName::try_from(name).map_err(|_| format!("invalid header name `{name}`"))?;
                Ok(Self::Header(header))
            }
            Some(("cookie", name)) if is_cookie_name(name) => Ok(Self::Cookie(name.to_owned())),
            Some(("cookie", name)) => Err(format!("invalid cookie name `{name}`")),
            _ => Err(format!("invalid locator `{text}`")),
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

    /// Finds a credential, or says what is there instead.
    fn credential(&self, reply: &Located<'_>) -> Option<Result<String, &'static str>> {
        let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| NOT_UTF8);
        Some(match self {
            Self::Pointer(pointer) => match reply.json()?.pointer(pointer)? {
                Value::Null => return None,
                Value::String(text) => Ok(text.clone()),
                Value::Number(number) => Ok(number.to_string()),
                Value::Bool(_) => Err("is `true` or `false`, not text"),
                Value::Array(_) => Err("is a list, not text"),
                Value::Object(_) => Err("is an object, not text"),
            },
            Self::Header(name) => utf8(reply.headers.get(name)?.as_bytes()),
            Self::Cookie(name) => Ok(reply.cookie(name)?),
            Self::Text if reply.body.trim_ascii().starts_with(b"<") => Err("is markup, not a token"),
            Self::Text => utf8(reply.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(reply.body)),
        })
    }
}

impl Locator {
    /// Parses one text, or several in order of preference. The error says what is wrong.
    pub(in crate::flow) fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, String> {
        let mut locator = Self { choices: Vec::new(), optional: false };
        for text in texts {
            let stripped = text.strip_suffix('?');
            locator.optional |= stripped.is_some();
            locator.choices.push(Spot::parse(stripped.unwrap_or(text))?);
        }
        if locator.choices.is_empty() { Err("the list is empty".to_owned()) } else { Ok(locator) }
    }

    /// A locator with one JSON pointer.
    pub(in crate::flow) fn pointer(pointer: &str) -> Self {
        Self { choices: vec![Spot::Pointer(pointer.to_owned())], optional: false }
    }

    /// Makes it optional.
    pub(in crate::flow) fn or_nothing(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Whether a reply may lack it.
    pub(in crate::flow) fn is_optional(&self) -> bool {
        self.optional
    }

    /// The value as text; an empty one counts as missing.
    pub(in crate::flow) fn find(&self, reply: &Located<'_>) -> Option<String> {
        self.choices.iter().filter_map(|spot| spot.find(reply)).find(|text| !text.is_empty())
    }

    /// A trimmed credential, or why the value cannot be one. An empty text counts as missing.
    pub(in crate::flow) fn credential(&self, reply: &Located<'_>) -> Result<Option<String>, Cow<'static, str>> {
        let mut wrong = None;
        for found in self.choices.iter().filter_map(|spot| spot.credential(reply)) {
            match found.map_err(Cow::Borrowed).and_then(judged) {
                Ok(text) if text.is_empty() => {}
                Ok(text) => return Ok(Some(text)),
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
        wrong.map_or(Ok(None), Err)
    }

    /// The header, if it is exactly one header.
    pub(in crate::flow) fn as_header(&self) -> Option<&HeaderName> {
        match self.choices.as_slice() {
            [Spot::Header(name)] => Some(name),
            _ => None,
        }
    }

    /// Whether a body that is neither a JSON object nor an array can have the value.
    pub(in crate::flow) fn takes_any_body(&self) -> bool {
        self.choices.iter().any(|spot| match spot {
            Spot::Text => true,
            Spot::Pointer(pointer) => pointer.is_empty(),
            Spot::Header(_) | Spot::Cookie(_) => false,
        })
    }

    /// Whether it needs the body of a reply.
    pub(in crate::flow) fn needs_body(&self) -> bool {
        self.choices.iter().any(|spot| matches!(spot, Spot::Pointer(_) | Spot::Text))
    }
}

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

/// Text, numbers and booleans as text; `None` for `null`, lists and objects.
pub(in crate::flow) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Validates a credential and trims white space around it.
fn judged(text: String) -> Result<String, Cow<'static, str>> {
    let trimmed = text.trim();
    if trimmed.is_empty() && !text.is_empty() {
        return Err("is blank".into());
    }
    if trimmed.contains(['\r', '\n']) {
        return Err("contains a line end".into());
    }
    if trimmed.chars().any(|c| c.is_ascii_control() && c != '\t') {
        return Err("contains a control character".into());
    }
    if trimmed.contains(char::REPLACEMENT_CHARACTER) {
        return Err(NOT_UTF8.into());
    }
    match trimmed.len() {
        LONGEST.. => Err(format!("has {} bytes, which is too long for a header", trimmed.len()).into()),
        _ => Ok(trimmed.to_owned()),
    }
}

fn check_pointer(text: &str) -> Result<String, String> {
    let escapes_well = text.split('~').skip(1).all(|tail| tail.starts_with(['0', '1']));
    if escapes_well { Ok(text.to_owned()) } else { Err(format!("`{text}`: in a JSON pointer, write `~` as `~0`")) }
}

#[cfg(test)]
mod tests;
