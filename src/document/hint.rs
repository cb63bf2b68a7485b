//! Hints for habits from other formats. Following a hint leads to no second error, and no hint repeats what may be a
//! secret.

use std::time::Duration;

use super::quantity::{duration, size};

pub(super) const TRUTH: &str = "true or false";
pub(super) const NUMBER: &str = "a non-negative integer";

/// The most likely cause of a syntax error; `line` is the line that has it.
pub(super) fn for_syntax(text: &str, line: &str) -> Option<&'static str> {
    let first = text.trim_start_matches('\u{feff}').trim_start();
    let line = line.trim();
    if first.starts_with('{') {
        return Some(
            "this looks like JSON; in TOML, write a line `[upstream.NAME]`, and below it lines such as `flow = \
             \"younium\"`",
        );
    }
    if line.contains(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
        return Some("use straight quotes, not curly ones, as in `flow = \"younium\"`");
    }
    if first.starts_with("---") || line.starts_with("- ") || is_yaml(line) {
        return Some(
            "this looks like YAML; in TOML, write a line `[upstream.NAME]`, and below it lines such as `flow = \
             \"younium\"`",
        );
    }
    let value = line.split_once('=').map(|(_, value)| value.trim());
    match value {
        _ if line.starts_with("//") || line.starts_with(';') => Some("a comment starts with `#`"),
        Some("") => Some("a value is missing after `=`"),
        Some("True" | "False" | "TRUE" | "FALSE") => Some("write `true` or `false` in lowercase"),
        Some("yes" | "Yes" | "on" | "On") => Some("write `true`"),
        Some("no" | "No" | "off" | "Off") => Some("write `false`"),
        Some("null" | "None" | "nil" | "~") => Some("TOML has no null: remove the line"),
        Some(value) if value.starts_with('"') && value.contains('\\') => {
            Some("`\\` starts an escape in double quotes: use single quotes, as in `'C:\\secret'`")
        }
        Some(value) if value.starts_with(|c: char| c.is_ascii_alphabetic() || "/$*".contains(c)) => {
            Some("put text in quotes, as in `flow = \"younium\"`")
        }
        _ => None,
    }
}

/// Matches `key:` or `key: value`, if the colon comes before any sign of TOML.
fn is_yaml(line: &str) -> bool {
    let Some((key, rest)) = line.split_once(':') else { return false };
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-\"'".contains(c));
    is_key && (rest.is_empty() || rest.starts_with(' '))
}

/// Text that is a reference in other tools: returns how to write it here.
pub fn placeholder(text: &str) -> Option<String> {
    let braced = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    // `${NAME:-default}`, `${env:NAME}`, `${{ secrets.NAME }}`
    let braced = braced.map(|inside| inside.trim_matches(['{', '}', ' ']));
    let braced =
        braced.map(|inside| inside.strip_prefix("env:").or_else(|| inside.strip_prefix("env.")).unwrap_or(inside));
    let braced = braced.map(|inside| inside.split(&[':', '-', '?'][..]).next().unwrap_or_default());
    let braced = braced.map(|inside| inside.rsplit('.').next().unwrap_or_default());
    let after = |prefix: &str| text.strip_prefix(prefix).map(|rest| rest.trim_start_matches('/'));
    let env = after("env:").or_else(|| after("$env:")).or_else(|| after("ENV:"));
    if let Some(name) = braced.or(env).filter(|name| is_name(name)) {
        return Some(format!("{{ env = \"{name}\" }}"));
    }
    let path = text.strip_prefix("file:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let path = path.filter(|path| path.starts_with('/'));
    let clean = |path: &&str| !path.contains(['"', '\\']) && !path.contains(char::is_control);
    path.filter(clean).map(|path| format!("{{ file = \"{path}\" }}"))
}

/// Text that may be a variable, such as `$NAME` in a shell, or a password that looks like one.
pub fn maybe_variable(text: &str) -> bool {
    let is_upper = |name: &&str| is_name(name) && name.len() > 1 && !name.contains(|c: char| c.is_ascii_lowercase());
    let windows = text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'));
    text.strip_prefix('$').or(windows).filter(is_upper).is_some() || text.contains("${")
}

fn is_name(name: &str) -> bool {
    let letter = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    letter && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The duration that a number or an imprecise quantity means.
pub(super) fn for_duration(text: &str) -> Option<String> {
    let words = [
        ("ms", &["ms", "msec", "msecs", "millis", "millisecond", "milliseconds"][..]),
        ("s", &["", "s", "sec", "secs", "second", "seconds"]),
        ("m", &["m", "min", "mins", "minute", "minutes"]),
        ("h", &["h", "hr", "hrs", "hour", "hours"]),
        ("d", &["d", "day", "days"]),
    ];
    let (number, unit) = loose(text, &words)?;
    let hint = match number.parse::<f64>() {
        Ok(exact) if number.contains('.') => {
            let one = duration(&format!("1{unit}"))?;
            format!("{}ms", Duration::try_from_secs_f64(one.as_secs_f64() * exact).ok()?.as_millis())
        }
        _ => format!("{number}{unit}"),
    };
    duration(&hint).map(|_| hint)
}

/// The size that a number or an imprecise quantity means.
pub(super) fn for_size(text: &str) -> Option<String> {
    let words = [
        ("B", &["", "b", "byte", "bytes"][..]),
        ("KiB", &["k", "kb", "ki", "kib"]),
        ("MiB", &["m", "mb", "mi", "mib"]),
        ("GiB", &["g", "gb", "gi", "gib"]),
    ];
    let (number, unit) = loose(text, &words)?;
    let hint = format!("{number}{unit}");
    size(&hint).map(|_| hint)
}

fn loose<'t>(text: &'t str, words: &[(&'static str, &[&str])]) -> Option<(&'t str, &'static str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let unit = unit.trim().to_lowercase();
    let (unit, _) = words.iter().find(|(_, spellings)| spellings.contains(&&*unit))?;
    (!number.is_empty()).then_some((number, *unit))
}

/// The boolean that a word of another format means.
pub(super) fn for_boolean(text: &str) -> Option<&'static str> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some("write `true`, without quotes"),
        "false" | "no" | "off" | "0" => Some("write `false`, without quotes"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_other_tools_are_recognised() {
        let env = |name: &str| Some(format!("{{ env = \"{name}\" }}"));
        for text in ["${SEC}", "env:SEC", "env://SEC", "${SEC:-x}", "${env:SEC}", "${{ secrets.SEC }}", "${SEC-}"] {
            assert_eq!(placeholder(text), env("SEC"), "{text}");
        }
        for text in ["file:/a/b", "file:///a/b"] {
            assert_eq!(placeholder(text).as_deref(), Some("{ file = \"/a/b\" }"), "{text}");
        }
        for text in [
            "", "$", "$1a", "$ecret", "hunter2", "${", "${}", "${a b}", "100%", "%%", "file:x", "env:", "Acme AB",
            "$A", "$SEC",
        ] {
            assert_eq!(placeholder(text), None, "{text}");
        }
        assert!(["$SEC", "%SEC%", "Bearer ${SEC}"].iter().all(|text| maybe_variable(text)));
        assert!(!["$ecret", "$", "%", "$A", "100%"].iter().any(|text| maybe_variable(text)));
    }

    #[test]
    fn loose_quantities_become_strict_ones() {
        let all = [("60", "60s"), ("1.5s", "1500ms"), ("2 Minutes", "2m"), ("10S", "10s"), ("1 hr", "1h")];
        for (text, hint) in all {
            assert_eq!(for_duration(text).as_deref(), Some(hint), "{text}");
        }
        for (text, hint) in [("65536", "65536B"), ("64 KB", "64KiB"), ("1m", "1MiB"), ("2GB", "2GiB"), ("64k", "64KiB")]
        {
            assert_eq!(for_size(text).as_deref(), Some(hint), "{text}");
        }
        for text in ["", "x", "-1s", "1 fortnight", "99999999999999999999s"] {
            assert_eq!(for_duration(text), None, "{text}");
        }
    }
}
