//! Tests of hints for common mistakes: following each hint leads to no second error.

use super::{Environment, Loader, Report};

const GOOD: &str = r#"[upstream.a]
flow = "oauth2"
url = "https://api.example.com"

[upstream.a.with]
token_url = "https://login.example.com/token"
client_id = "id"
client_secret = { env = "SEC" }
"#;

fn report(text: &str) -> Report {
    let environment: Environment = [("SEC", "hunter2"), ("ID", "me")].into_iter().collect();
    match Loader::new(environment).text("bearerd.toml", text).load() {
        Ok(loaded) => loaded.warnings,
        Err(report) => report,
    }
}

/// What is written, what the hint must contain, and the corrected line, which contains the hint's code.
const LINES: &[(&str, &str, &str)] = &[
    (
        r#"with.client_secret = "${SEC}""#,
        r#"client_secret = { env = "SEC" }"#,
        r#"with.client_secret = { env = "SEC" }"#,
    ),
    (
        r#"with.client_secret = "env:SEC""#,
        r#"client_secret = { env = "SEC" }"#,
        r#"with.client_secret = { env = "SEC" }"#,
    ),
    (r#"with.client_id = "${ID:-x}""#, r#"client_id = { env = "ID" }"#, r#"with.client_id = { env = "ID" }"#),
    (r#"with.client_secret = { env = "${SEC}" }"#, r#"{ env = "SEC" }"#, r#"with.client_secret = { env = "SEC" }"#),
    ("with.client_id = 7", "in quotes", r#"with.client_id = "7""#),
    ("with.client_id = true", "in quotes", r#"with.client_id = "true""#),
    (r#"with.scope = ["a", "b"]"#, r#""a b""#, r#"with.scope = "a b""#),
    (r#"with.audience = ["a"]"#, "without the brackets", r#"with.audience = "a""#),
    ("listen = 8080", r#""localhost:8080""#, r#"listen = "localhost:8080""#),
    (r#"listen = "8080""#, "localhost:8080", r#"listen = "localhost:8080""#),
    (r#"listen = ":8080""#, "localhost:8080", r#"listen = "localhost:8080""#),
    (r#"listen = "http://localhost:8080""#, "localhost:8080", r#"listen = "localhost:8080""#),
    (r#"listen = ["localhost:8080"]"#, r#""localhost:8080""#, r#"listen = "localhost:8080""#),
    ("listen = { port = 8080 }", r#""localhost:8080""#, r#"listen = "localhost:8080""#),
    ("listen = 99999", "up to 65535", r#"listen = "localhost:9999""#),
    (r#"listen = "0.0.0.0:8080""#, "listen on localhost", r#"listen = "localhost:8080""#),
    ("timeouts.response = 60", r#""60s""#, r#"timeouts.response = "60s""#),
    (r#"timeouts.response = "60""#, r#""60s""#, r#"timeouts.response = "60s""#),
    (r#"timeouts.response = "1.5 min""#, r#""90000ms""#, r#"timeouts.response = "90000ms""#),
    (r#"retry.body = "64 KB""#, r#""64KiB""#, r#"retry.body = "64KiB""#),
    ("retry.body = 65536", r#""65536B""#, r#"retry.body = "65536B""#),
    (r#"required = "yes""#, "`true`", "required = true"),
    ("required = 0", "`false`", "required = false"),
    (r#"access.methods = "GET""#, "brackets", r#"access.methods = ["GET"]"#),
    ("protocol = 2", "in quotes", r#"protocol = "http2""#),
    (r#"url = "${URL}""#, "BEARERD_UPSTREAM__A__URL", r#"url = "https://api.example.com""#),
    ("flow = oauth2", "in quotes", r#"flow = "oauth2""#),
    ("flow: oauth2", "TOML", r#"flow = "oauth2""#),
    ("flow = \u{201c}oauth2\u{201d}", "straight", r#"flow = "oauth2""#),
    ("required = True", "lowercase", "required = true"),
    ("required = yes", "`true`", "required = true"),
    ("// a comment", "starts with `#`", "# a comment"),
    (r#"with.client_secret = "C:\secret""#, "single quotes", r"with.client_secret = 'C:\secret'"),
    ("required =", "missing", "required = true"),
];

fn with_line(line: &str) -> String {
    let key = line.split(['=', ':', ' ']).next().unwrap().trim();
    let own = key.strip_prefix("with.").unwrap_or(key);
    let kept: Vec<_> = GOOD.lines().filter(|known| known.split(' ').next() != Some(own)).collect();
    let text = kept.join("\n");
    match key.strip_prefix("with.") {
        Some(_) => format!("{text}\n{}\n", line.strip_prefix("with.").unwrap()),
        None => text.replacen("[upstream.a]", &format!("[upstream.a]\n{line}"), 1),
    }
}

#[test]
fn each_hint_says_what_to_write_and_following_it_is_enough() {
    assert!(!report(GOOD).has_errors(), "{}", report(GOOD).text(false));
    for (wrong, hint, right) in LINES {
        let report_of_wrong = report(&with_line(wrong));
        assert!(report_of_wrong.has_errors(), "{wrong} passes");
        let said = report_of_wrong.problems().iter().any(|it| it.hint.as_ref().is_some_and(|it| it.contains(hint)));
        assert!(said, "{wrong}: no hint with {hint}: {}", report_of_wrong.text(false));
        let after = report(&with_line(right));
        assert!(!after.has_errors(), "{wrong} -> {right}: {}", after.text(false));
    }
}

#[test]
fn other_formats_are_named() {
    for (text, hint) in [
        ("{\n  \"upstream\": { \"a\": { \"flow\": \"oauth2\" } }\n}", "JSON"),
        ("---\nupstream:\n  a:\n    flow: oauth2\n", "YAML"),
        ("upstream:\n  a:\n    flow: oauth2\n", "YAML"),
        ("# ours\n\nupstream:\n  - name: a\n", "YAML"),
        ("[[upstream]]\nname = \"a\"\nflow = \"oauth2\"\n", "[upstream.NAME]"),
        ("[upstream]\nflow = \"oauth2\"\n", "[upstream.NAME]"),
    ] {
        let report = report(text);
        let said = report.problems().iter().any(|it| it.hint.as_ref().is_some_and(|it| it.contains(hint)));
        assert!(said && report.has_errors(), "{text}: {}", report.text(false));
    }
}

#[test]
fn correct_values_cause_no_problem() {
    for line in [
        "with.client_secret = 'hunter2'",
        "with.client_secret = '$ecret'",
        "with.client_secret = \"a\\tb\"",
        "\trequired\t=\ttrue",
        "with.scope = \"a b\"",
        "timeouts.response = \"5 m\"",
        "retry.body = \"64 KiB\"",
    ] {
        let report = report(&with_line(line));
        assert!(!report.has_errors(), "{line}: {}", report.text(false));
    }
    let windows = report(&GOOD.replace('\n', "\r\n"));
    assert!(windows.is_empty(), "{}", windows.text(false));
    let marked = report(&format!("\u{feff}{GOOD}"));
    assert!(marked.is_empty(), "{}", marked.text(false));
}

#[test]
fn a_value_that_looks_like_a_reference_is_warned_about_and_never_shown() {
    for line in
        ["with.client_secret = \"$HUNTER\"", "with.client_secret = \"x${HUNTER\"", "with.client_secret = \"%HUNTER%\""]
    {
        let report = report(&with_line(line));
        let text = report.text(false);
        assert!(
            !report.has_errors() && text.contains("variables are not expanded") && !text.contains("HUNTER"),
            "{text}"
        );
    }
}
