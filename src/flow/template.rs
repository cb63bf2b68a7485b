//! Templates: `${name}` and nothing else, no expressions and no conditionals.
//!
//! A template is filled in twice. [`Template::bind`] inserts variables, once, when a flow is compiled.
//! [`Template::render`] inserts what is known only at request time: the subject, the token, captured values, the time.
//! A value that consists of one empty variable is not sent, nor is one that uses a token or capture that does not exist
//! yet; this rule replaces conditionals.

pub(super) mod binder;
pub(super) mod reader;

use std::collections::BTreeMap;

use crate::secret::Secret;

/// Text with `${name}` in it. It has no `Debug`, because it may contain secrets once it is bound.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

/// The values of names at request time; `None` for what does not exist yet.
pub(super) trait Lookup {
    fn value(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Lookup for F {
    fn value(&self, name: &str) -> Option<String> {
        self(name)
    }
}

impl Template {
    /// A literal text.
    pub(super) fn literal(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text(text.into())] }
    }

    /// Parses a template. The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, tail) = rest.split_at(start);
            let end = tail.find('}').ok_or_else(|| "`${` has no closing `}`".to_owned())?;
            let name = tail.get(2..end).unwrap_or_default();
            if !is_name(name) && days_ahead(name).is_none() {
                return Err(format!(
                    "invalid reference `${{{name}}}`: write `${{name}}`; expressions are not supported"
                ));
            }
            push_text(&mut parts, before);
            parts.push(Part::Name(name.to_owned()));
            rest = tail.get(end.saturating_add(1)..).unwrap_or_default();
        }
        push_text(&mut parts, rest);
        Ok(Self { parts })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    pub(super) fn uses(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// The text, if it has no names.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The literal parts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Name(_) => None,
        })
    }

    pub(super) fn source(&self) -> String {
        self.render(&|name: &str| Some(format!("${{{name}}}"))).unwrap_or_default()
    }

    /// Inserts variables; `None` if it consists of one empty variable.
    pub(super) fn bind(&self, variables: &BTreeMap<String, Secret>) -> Option<Self> {
        self.bind_with(variables, |value, _| value)
    }

    /// Like [`Template::bind`] for a URL: a trailing slash of a value and a following slash become one.
    pub(super) fn bind_url(&self, variables: &BTreeMap<String, Secret>) -> Option<Self> {
        self.bind_with(variables, joined)
    }

    fn bind_with(
        &self,
        variables: &BTreeMap<String, Secret>,
        shaped: for<'v> fn(&'v str, Option<&Part>) -> &'v str,
    ) -> Option<Self> {
        if let [Part::Name(name)] = self.parts.as_slice()
            && variables.get(name).is_some_and(Secret::is_empty)
        {
            return None;
        }
        let mut parts = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let next = self.parts.get(index.saturating_add(1));
            match part {
                Part::Name(name) => match variables.get(name) {
                    Some(value) => push_text(&mut parts, shaped(value.expose(), next)),
                    None => parts.push(part.clone()),
                },
                Part::Text(text) => push_text(&mut parts, text),
            }
        }
        Some(Self { parts })
    }

    /// Inserts all values; `None` if one does not exist yet.
    pub(super) fn render(&self, values: &dyn Lookup) -> Option<String> {
        self.render_with(values, |value, _| value)
    }

    /// Like [`Template::render`] for a URL; slashes join as in [`Template::bind_url`].
    pub(super) fn render_url(&self, values: &dyn Lookup) -> Option<String> {
        self.render_with(values, joined)
    }

    fn render_with(
        &self,
        values: &dyn Lookup,
        shaped: for<'v> fn(&'v str, Option<&Part>) -> &'v str,
    ) -> Option<String> {
        let mut text = String::new();
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Name(name) => {
                    let next = self.parts.get(index.saturating_add(1));
                    text.push_str(shaped(&values.value(name)?, next));
                }
            }
        }
        Some(text)
    }
}

/// A value, without its trailing slash if a slash follows.
fn joined<'v>(value: &'v str, next: Option<&Part>) -> &'v str {
    match next {
        Some(Part::Text(text)) if text.starts_with('/') => value.trim_end_matches('/'),
        _ => value,
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(last)) => last.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

/// Whether this is a valid name of a variable, capture or built-in value. Dots are for names of another flow.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// How many days `date`, `date+7d` or `date-1d` is after today; `None` for other names.
pub(super) fn days_ahead(name: &str) -> Option<i32> {
    let offset = name.strip_prefix("date")?;
    if offset.is_empty() {
        return Some(0);
    }
    let (sign, digits) = match offset.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, offset.strip_prefix('-')?),
    };
    let digits = digits.strip_suffix('d').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let days: i32 = digits.parse().ok().filter(|days| *days < 100_000)?;
    days.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect()
    }

    fn filled(text: &str, pairs: &[(&str, &str)], token: Option<&str>) -> Option<String> {
        let bound = Template::parse(text).unwrap().bind(&variables(pairs))?;
        bound.render(&|name: &str| (name == "token").then_some(token?).map(str::to_owned))
    }

    #[test]
    fn names_are_replaced_and_everything_else_is_literal() {
        let pairs = [("a", "1"), ("b_2", "${a}")];
        for (text, result) in [
            ("", ""),
            ("plain", "plain"),
            ("${a}", "1"),
            ("x${a}${a}y", "x11y"),
            ("$a {a} $ $} {}", "$a {a} $ $} {}"),
            ("$${a}", "$1"),
            ("${b_2}", "${a}"),
            ("é${a}é", "é1é"),
        ] {
            assert_eq!(filled(text, &pairs, None).as_deref(), Some(result), "{text}");
        }
    }

    #[test]
    fn exactly_one_empty_variable_is_not_sent_but_text_around_one_is() {
        assert_eq!(filled("${a}", &[("a", "")], None), None);
        assert_eq!(filled("x${a}", &[("a", "")], None).as_deref(), Some("x"));
        assert_eq!(filled("${a}${a}", &[("a", "")], None).as_deref(), Some(""));
    }

    #[test]
    fn slashes_of_a_value_and_the_template_are_joined() {
        for (text, value, url) in [
            ("${a}/b", "https://x", "https://x/b"),
            ("${a}/b", "https://x/", "https://x/b"),
            ("${a}/b", "https://x///", "https://x/b"),
            ("https://${a}/b//c/", "x/y/", "https://x/y/b//c/"),
            ("${a}", "https://x/", "https://x/"),
            ("${a}?b", "https://x/", "https://x/?b"),
            ("${a}/${a}/", "/", "//"),
        ] {
            let (template, pairs) = (Template::parse(text).unwrap(), variables(&[("a", value)]));
            assert_eq!(template.bind_url(&pairs).unwrap().as_text(), Some(url), "{text}");
            assert_eq!(template.render_url(&|_: &str| Some(value.to_owned())).as_deref(), Some(url), "{text}");
        }
        assert_eq!(filled("${a}/b", &[("a", "x/")], None).as_deref(), Some("x//b"), "text that is no URL stays");
    }

    #[test]
    fn a_request_part_that_needs_a_missing_token_is_left_out() {
        assert_eq!(filled("Bearer ${token}", &[], None), None);
        assert_eq!(filled("Bearer ${token}", &[], Some("t")).as_deref(), Some("Bearer t"));
    }

    #[test]
    fn a_variable_shadows_a_built_in_of_its_name() {
        assert_eq!(filled("${token}", &[("token", "mine")], Some("theirs")).as_deref(), Some("mine"));
    }

    #[test]
    fn expressions_are_not_names() {
        for wrong in ["${", "${a", "${}", "${a b}", "${a|b}", "${a:-x}", "${1a}", "${date+d}", "${date+7h}", "${${a}}"]
        {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_count_days() {
        for (name, days) in [("date", Some(0)), ("date+7d", Some(7)), ("date-30d", Some(-30)), ("dated", None)] {
            assert_eq!(days_ahead(name), days, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_an_error_and_never_a_panic(text in "\\PC*|[${}a+ \\-.]*") {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(template.source(), text);
            }
        }
    }
}
