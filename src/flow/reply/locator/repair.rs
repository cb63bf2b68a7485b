//! Repairs JSON that other parsers read and `serde_json` does not: half a surrogate pair (allowed by RFC 8259 §8.2), deep
//! nesting, control characters in texts, and numbers such as `03600` or `NaN`. What is not a value of JSON becomes text if
//! it looks like a number, else `null`.

use std::borrow::Cow;

use serde_json::Value;

/// Deeper lists and objects become `null`.
const DEEPEST: usize = 100;

/// The repaired text of an object or list; `None` if it is neither, or has no end.
pub(super) fn repaired(text: &str) -> Option<String> {
    let mut rest = text.trim_start();
    if !rest.starts_with(['{', '[']) {
        return None;
    }
    let (mut json, mut depth) = (String::with_capacity(text.len()), 0_usize);
    while let Some(c) = rest.chars().next() {
        let opens = matches!(c, '{' | '[');
        depth = depth.saturating_add(usize::from(opens));
        let (part, after) = part(rest, c)?;
        match depth.checked_sub(DEEPEST) {
            None | Some(0) => json.push_str(&part),
            Some(1) if opens => json.push_str("null"),
            Some(_) => {}
        }
        if matches!(c, '}' | ']') {
            depth = depth.checked_sub(1)?;
        }
        rest = after;
    }
    Some(json)
}

/// The repaired text of the next part, which starts with `first`, and what follows it.
fn part(text: &str, first: char) -> Option<(Cow<'_, str>, &str)> {
    const BETWEEN: [char; 10] = ['{', '}', '[', ']', ':', ',', ' ', '\t', '\r', '\n'];
    if first == '"' {
        let mut json = String::new();
        let after = string(text.strip_prefix(first)?, &mut json)?;
        return Some((json.into(), after));
    }
    if BETWEEN.contains(&first) {
        let (sign, after) = text.split_at_checked(1)?;
        return Some((sign.into(), after));
    }
    let end = text.find(|c| c == '"' || BETWEEN.contains(&c)).unwrap_or(text.len());
    let (word, after) = text.split_at_checked(end)?;
    Some((scalar(word), after))
}

fn scalar(word: &str) -> Cow<'_, str> {
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    match serde_json::from_str::<Value>(word) {
        Ok(_) => word.into(),
        Err(_) if word.chars().all(is_number) => format!("\"{word}\"").into(),
        Err(_) => "null".into(),
    }
}

/// Repairs a text after its opening quote; returns what follows its closing one.
fn string<'t>(text: &'t str, json: &mut String) -> Option<&'t str> {
    json.push('"');
    let mut rest = text;
    loop {
        let c = rest.chars().next()?;
        rest = rest.strip_prefix(c)?;
        match c {
            '"' => {
                json.push('"');
                return Some(rest);
            }
            '\\' => rest = escape(rest, json)?,
            c if c.is_ascii_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
}

/// Repairs an escape after its backslash.
fn escape<'t>(text: &'t str, json: &mut String) -> Option<&'t str> {
    let mut length = text.chars().next()?.len_utf8();
    if let Some(unit) = unit(text) {
        length = 5;
        let low = || self::unit(text.get(5..)?.strip_prefix('\\')?).filter(|low| matches!(low, 0xdc00..=0xdfff));
        match unit {
            0xd800..=0xdbff if low().is_some() => length = 11,
            0xd800..=0xdfff => {
                json.push_str("\\ufffd");
                return text.get(length..);
            }
            _ => {}
        }
    }
    json.push('\\');
    json.push_str(text.get(..length)?);
    text.get(length..)
}

/// The code unit of `uXXXX`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Value> {
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text} needs no repair");
        serde_json::from_str(&repaired(text)?).ok()
    }

    #[test]
    fn an_odd_field_does_not_lose_the_others() {
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let (deep, deeper) = (deep(200), deep(200_000));
        for odd in
            ["\"\\ud800\"", "\"\\udc00\\ud800x\"", "\"a\tb\nc\u{0}\"", "NaN", "-Infinity", "undefined", &deep, &deeper]
        {
            let found = read(&format!(" {{\"x\": {odd},\"access_token\":\"t\\ud83d\\ude00\\\"\"}} ")).unwrap();
            assert_eq!(found["access_token"], "t\u{1f600}\"", "{odd:.20}");
        }
        let lives = |life: &str| read(&format!("{{\"expires_in\":{life}}}")).unwrap()["expires_in"].clone();
        assert_eq!(lives("03600"), "03600");
        assert_eq!(lives("+60"), "+60");
        assert_eq!(lives("NaN"), Value::Null);
    }

    #[test]
    fn what_is_cut_off_or_no_json_stays_so() {
        for wrong in [
            "{\"a\":\"b\",\"c\":NaN",
            "{\"a\":\"b",
            "{a:1}",
            "{'a':1}",
            "[1]]",
            "tok",
            "",
            "{\"a\":\"\\",
            "{\"a\":\"\\q\"}",
            "{\"a\":1,}",
            "{\"a\":1}{\"b\":2}",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_json_is_not_changed(text in "[{}\\[\\]\",:\\\\ud8cf0-9a ntrue-]*", inside in "\\PC*") {
            let _ = repaired(&text);
            let json = serde_json::json!({ "a": [inside, 1.5, true, null] });
            let same: Value = serde_json::from_str(&repaired(&json.to_string()).unwrap()).unwrap();
            prop_assert_eq!(same, json);
        }
    }
}
