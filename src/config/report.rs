//! All problems of a configuration, as text or JSON.

use std::fmt::Write;

use crate::document::{Level, Problem};

/// The problems, in the order of files and lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report(Vec<Problem>);

impl Report {
    pub fn new(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    pub fn problems(&self) -> &[Problem] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.count(Level::Error) > 0
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|problem| problem.level == level).count()
    }

    /// The counts, such as `2 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let counts = [(self.count(Level::Error), "error"), (self.count(Level::Warning), "warning")];
        let parts: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        parts.join(", ")
    }

    /// The errors with their positions, in one log line.
    pub fn errors_in_a_line(&self) -> String {
        let errors = self.0.iter().filter(|problem| problem.level == Level::Error);
        let told = errors.map(|problem| {
            let key = if problem.key.is_empty() { String::new() } else { format!(", key `{}`", problem.key) };
            printable(&format!("{} (at {}{key})", problem.message, problem.place))
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// As text: a paragraph per problem, and the counts.
    pub fn text(&self, colour: bool) -> String {
        let mut text = String::new();
        for problem in &self.0 {
            text.push_str(&paragraph(problem, colour));
            text.push('\n');
        }
        if !self.is_empty() {
            text.push_str(&self.summary());
            text.push('\n');
        }
        text
    }

    pub fn json(&self) -> serde_json::Value {
        let problems: Vec<_> = self.0.iter().map(json).collect();
        serde_json::json!({
            "ok": !self.has_errors(),
            "errors": self.count(Level::Error),
            "warnings": self.count(Level::Warning),
            "problems": problems,
        })
    }
}

fn paragraph(problem: &Problem, colour: bool) -> String {
    let paint = |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let level = match problem.level {
        Level::Error => paint("1;31", "error:"),
        Level::Warning => paint("1;33", "warning:"),
    };
    let mut text = format!("{level} {}\n", printable(&problem.message));
    let place = printable(&problem.place.to_string());
    let key = if problem.key.is_empty() { String::new() } else { format!("key `{}`", printable(&problem.key)) };
    let at = [place, key].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    if !at.is_empty() {
        let _ = writeln!(text, "  at {at}");
    }
    if let Some(hint) = &problem.hint {
        let _ = writeln!(text, "  {} {}", paint("1;36", "hint:"), printable(hint));
    }
    text
}

/// Removes control characters, so that a file's text cannot control the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn json(problem: &Problem) -> serde_json::Value {
    let level = match problem.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    serde_json::json!({
        "level": level,
        "file": problem.place.origin,
        "line": problem.place.line,
        "key": problem.key,
        "message": problem.message,
        "hint": problem.hint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Place;

    fn report() -> Report {
        let error = Problem {
            level: Level::Error,
            place: Place { origin: "bearerd.toml".into(), line: Some(2) },
            key: "log.levl".into(),
            message: "unknown key `levl\u{1b}[2J`".into(),
            hint: Some("did you mean `level`?".into()),
        };
        let warning = Problem { level: Level::Warning, message: "nothing".into(), ..Problem::default() };
        Report::new(vec![error, warning])
    }

    #[test]
    fn text_has_message_place_and_hint_without_control_characters() {
        let expected = "error: unknown key `levl\u{fffd}[2J`\n  at bearerd.toml:2, key `log.levl`\n  \
                        hint: did you mean `level`?\n\nwarning: nothing\n\n1 error, 1 warning\n";
        assert_eq!(report().text(false), expected);
        assert!(report().text(true).starts_with("\x1b[1;31merror:\x1b[0m unknown"));
    }

    #[test]
    fn json_has_every_part() {
        let json = report().json();
        assert_eq!((&json["ok"], &json["errors"], &json["warnings"]), (&false.into(), &1.into(), &1.into()));
        assert_eq!((&json["problems"][0]["line"], &json["problems"][1]["hint"]), (&2.into(), &().into()));
    }
}
