//! Describes an unusable reply in a few words, without possible credentials: a token in an unexpected place is not
//! known, so the mask cannot hide it.

use std::borrow::Cow;

/// The maximum number of quoted characters.
const QUOTED: usize = 80;
/// The maximum number of bytes that are examined.
const READ: usize = 16 << 10;
/// Longer words are not natural language.
const WORD: usize = 16;

/// Describes a body that should be JSON.
pub(in crate::flow) fn of_json(body: &[u8]) -> String {
    if is_utf16(body) {
        return "the reply is UTF-16 or UTF-32 text; JSON is UTF-8 (RFC 8259)".to_owned();
    }
    let text = text(body);
    let text = text.trim();
    match text.chars().next() {
        None => "the reply is empty".to_owned(),
        Some('<') => match words(body) {
            Some(words) => format!("the reply is HTML or XML, not JSON: {words}"),
            None => "the reply is HTML or XML, not JSON".to_owned(),
        },
        Some('{' | '[') => format!("the reply is incomplete or invalid JSON: {}", quoted(&without_values(text))),
        Some(_) => match form_keys(text) {
            Some(keys) => format!("the reply is form-encoded, not JSON, with `{}`", keys.join("`, `")),
            None => match words(body) {
                Some(words) => format!("the reply is text, not JSON: {words}"),
                None => format!("the reply is {} bytes that are not JSON", body.len()),
            },
        },
    }
}

/// A byte order mark, or a first ASCII character with a zero byte beside it.
fn is_utf16(body: &[u8]) -> bool {
    matches!(body, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=255, ..] | [1..=255, 0, ..] | [0, 0, 0xfe, 0xff, ..])
}

/// The readable text of a body that is not JSON: a page's title, or plain text.
pub(in crate::flow) fn words(body: &[u8]) -> Option<String> {
    let text = text(body);
    let text = text.trim();
    let readable = match text.chars().next()? {
        '<' => title(text)?.to_owned(),
        '{' | '[' | '"' => return None,
        _ if form_keys(text).is_some() => return None,
        _ => text.to_owned(),
    };
    let count = readable.split_whitespace().count();
    // One or two words may be a token.
    let is_language = text.starts_with('<') || count > 2;
    is_language.then(|| quoted(&readable.split_whitespace().map(word).collect::<Vec<_>>().join(" ")))
}

fn text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    String::from_utf8_lossy(body.get(..READ).unwrap_or(body))
}

/// A word, unless it could be a credential.
fn word(word: &str) -> &str {
    let is_number = word.len() <= 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let plain = !word.contains(|c: char| c.is_ascii_digit() || matches!(c, '=' | '_' | '+' | '\u{fffd}'));
    if is_number || (plain && word.len() < WORD) { word } else { "…" }
}

/// A page's title, or its first heading.
fn title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    ["title", "h1"].iter().find_map(|tag| {
        let start = lower.find(&format!("<{tag}"))?;
        let start = start.saturating_add(lower.get(start..)?.find('>')?).saturating_add(1);
        let end = start.saturating_add(lower.get(start..)?.find('<')?);
        page.get(start..end).map(str::trim).filter(|title| !title.is_empty())
    })
}

/// The names in `a=b&c=d`, if the body has that form.
fn form_keys(text: &str) -> Option<Vec<&str>> {
    let pairs: Option<Vec<_>> = text.split('&').map(|pair| pair.split_once('=')).collect();
    let keys: Vec<_> = pairs?.into_iter().map(|(key, _)| key).collect();
    keys.iter().all(|key| is_name(key)).then(|| keys.into_iter().take(8).collect())
}

fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphabetic() || b"_-".contains(&byte);
    (1..=32).contains(&text.len()) && text.bytes().all(is_plain)
}

/// JSON with names but without texts and numbers.
fn without_values(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let tail = rest.strip_prefix(c).unwrap_or_default();
        match c {
            '"' => {
                let (inside, after) = string(tail);
                let is_shown = after.trim_start().starts_with(':') && is_name(inside);
                shown.push_str(&if is_shown { format!("\"{inside}\"") } else { "\"…\"".to_owned() });
                rest = after;
            }
            '{' | '}' | '[' | ']' | ':' | ',' | ' ' | '\r' | '\n' | '\t' => {
                shown.push(c);
                rest = tail;
            }
            _ => {
                let end = rest.find(['{', '}', '[', ']', ':', ',', '"']).unwrap_or(rest.len());
                shown.push('…');
                rest = rest.get(end..).unwrap_or_default();
            }
        }
    }
    shown
}

/// The content of a JSON string after its opening quote, and the rest.
fn string(text: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let inside = end.and_then(|end| text.split_at_checked(end));
    inside.map_or((text, ""), |(inside, rest)| (inside, rest.strip_prefix('"').unwrap_or(rest)))
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default().trim()),
        None => format!("`{}`", text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_reply_is_quoted_without_possible_credentials() {
        for (body, expected) in [
            ("", "the reply is empty"),
            (" \r\n", "the reply is empty"),
            (
                "<html><head><title>Sign in to\n Contoso</title>",
                "the reply is HTML or XML, not JSON: `Sign in to Contoso`",
            ),
            ("\u{feff}<!doctype html><input value=\"canary\">", "the reply is HTML or XML, not JSON"),
            ("<title>code c4n4ry</title>", "the reply is HTML or XML, not JSON: `code …`"),
            (
                "access_token=canary&token_type=bearer",
                "the reply is form-encoded, not JSON, with `access_token`, `token_type`",
            ),
            (
                r#"{"access_token":"canary","expires_in":3600,"x":["canary"],"refresh_tok"#,
                "the reply is incomplete or invalid JSON: \
                 `{\"access_token\":\"…\",\"expires_in\":…,\"x\":[\"…\"],\"…\"`",
            ),
            (r#"{"access_token":"can\"ary"#, "the reply is incomplete or invalid JSON: `{\"access_token\":\"…\"`"),
            ("canary", "the reply is 6 bytes that are not JSON"),
            ("Bearer canary", "the reply is 13 bytes that are not JSON"),
            ("upstream request timeout", "the reply is text, not JSON: `upstream request timeout`"),
            ("Error 502 for key=canary", "the reply is text, not JSON: `Error 502 for …`"),
        ] {
            assert_eq!(of_json(body.as_bytes()), expected, "{body}");
        }
        for body in [&b"\xff\xfe{\0}\0"[..], b"\xfe\xff\0{\0}", b"{\0\"\0", b"\0{\0\"", b"{\0\0\0"] {
            assert!(of_json(body).contains("UTF-16"), "{body:?}");
        }
        assert!(of_json(&[b"{\"a\":[".as_slice(), &[b'['; 1000]].concat()).len() < 200);
    }

    #[test]
    fn an_error_page_is_described_by_its_title() {
        assert_eq!(words(b"<html><h1>Not Found</h1>").as_deref(), Some("`Not Found`"));
        assert_eq!(words(b"{\"a\":"), None);
        assert_eq!(words(b"<html>"), None);
        assert_eq!(words(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64), text in "[<{\\[\"\\\\a:=&,]*") {
            of_json(&body);
            of_json(text.as_bytes());
            words(text.as_bytes());
        }
    }
}
