//! `bearerd token`.

use std::io::{IsTerminal, stdout};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args;
use super::failure::{CONFIGURATION, CommandFailure, FAILED, REFUSED, UNREACHABLE};
use super::output::Output;
use super::run::{load, loader};
use super::wait::answers;
use crate::app::one_token::{self, OneToken, TokenFailure};
use crate::config::{Environment, Settings, StoreSettings, UpstreamConfig};
use crate::document::nearest;
use crate::flow::claims;
use crate::token::key::Subject;

pub(super) fn token(args: &args::TokenArgs, environment: Environment, output: &Output) -> Result<(), CommandFailure> {
    let mut settings = load(&loader(&args.source, environment)?, output)?.settings;
    let upstream = find(&mut settings, &args.name)?;
    let subject = subject(&upstream, args.subject.as_deref())?;
    if !args.force {
        spare(&settings, &upstream)?;
    }
    let got = one_token::token(&settings, upstream, subject).map_err(|error| match error {
        TokenFailure::Start(message) => CommandFailure::new(FAILED, message),
        TokenFailure::Refused(message) => {
            CommandFailure::new(REFUSED, format!("the token endpoint refused the credentials: {message}"))
        }
        TokenFailure::Failing(message) => CommandFailure::new(UNREACHABLE, format!("cannot get a token: {message}")),
    })?;
    let text = if args.header { headers(&got, args.reveal) } else { described(&got, args.reveal) };
    output.result(&if stdout().is_terminal() { visible(&text) } else { text });
    Ok(())
}

fn find(settings: &mut Settings, name: &str) -> Result<UpstreamConfig, CommandFailure> {
    let names = || settings.upstreams.iter().map(|upstream| &*upstream.proxy.name);
    let Some(index) = names().position(|known| known == name) else {
        let failure = CommandFailure::new(CONFIGURATION, format!("unknown upstream `{name}`"));
        return Err(match nearest(name, names()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!("one of: {}", names().collect::<Vec<_>>().join(", "))),
        });
    };
    Ok(settings.upstreams.swap_remove(index))
}

/// The subject, which must match the flow's pattern.
fn subject(upstream: &UpstreamConfig, given: Option<&str>) -> Result<Option<Subject>, CommandFailure> {
    let (name, wrong) = (&upstream.proxy.name, |message| CommandFailure::new(CONFIGURATION, message));
    match (&upstream.flow.subject, given) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(wrong(format!("`{name}` has one token for all users: remove `--subject`"))),
        (Some(rule), None) if rule.default.is_some() => Ok(rule.default.clone()),
        (Some(_), None) => Err(wrong(format!("`{name}` has a token for each user")).hint("add `--subject USER`")),
        (Some(rule), Some(given)) => match rule.pattern.subject(given) {
            Some(subject) => Ok(Some(subject)),
            None => Err(wrong(format!("invalid subject for `{name}`: it does not match the flow's pattern"))),
        },
    }
}

/// Without a shared store, a second login may end the session of a running proxy.
fn spare(settings: &Settings, upstream: &UpstreamConfig) -> Result<(), CommandFailure> {
    let alone = upstream.flow.uses_refresh_tokens || upstream.flow.policy.exclusive;
    let admin = settings.admin.listen.to_string();
    if !alone || settings.store != StoreSettings::Memory || !answers(&admin) {
        return Ok(());
    }
    let name = &upstream.proxy.name;
    let message = format!("a proxy is running at {admin}, and a login here may end its session with `{name}`");
    Err(CommandFailure::new(CONFIGURATION, message)
        .hint("configure a file or redis `[store]` for both, or use `--force`"))
}

fn headers(got: &OneToken, reveal: bool) -> String {
    got.headers.iter().map(|(name, value)| format!("{}: {}\n", name.name(), header(value, reveal))).collect()
}

fn header(value: &HeaderValue, reveal: bool) -> String {
    let shown = value.to_str().ok().filter(|_| reveal || !value.is_sensitive());
    shown.map_or_else(|| masked(value.len()), str::to_owned)
}

fn described(got: &OneToken, reveal: bool) -> String {
    let token = got.token.access.expose();
    let mut rows = match token.is_empty() {
        false => vec![("token".to_owned(), if reveal { token.to_owned() } else { masked(token.len()) })],
        // The flow builds its headers from captured values, or from its variables.
        true => got.headers.iter().map(|(name, value)| (name.name().to_string(), header(value, reveal))).collect(),
    };
    rows.push(("ends".to_owned(), got.left.map_or_else(|| "unknown".to_owned(), ends)));
    for (name, value) in claims(token).into_iter().flatten() {
        let value = moment(&name, &value).unwrap_or_else(|| value.as_str().map_or_else(|| value.to_string(), shown));
        rows.push((shown(&name), value));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

fn masked(length: usize) -> String {
    format!("({length} characters; `--reveal` shows them)")
}

/// Removes control characters of a server's text, so that it cannot control the terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Writes characters that control a terminal, or the direction of its text, as escapes.
fn visible(text: &str) -> String {
    let controls = |c: char| c.is_control() && c != '\n';
    let turns =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| if controls(c) || turns(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

fn ends((left, at): (Duration, SystemTime)) -> String {
    let (seconds, at) = (left.as_secs(), rfc3339(at.into()).unwrap_or_default());
    match (seconds / 86_400, seconds / 3600, seconds / 60) {
        (days @ 2.., ..) => format!("{at}, in {days} days"),
        (_, hours @ 2.., _) => format!("{at}, in {hours} h"),
        (.., minutes @ 2..) => format!("{at}, in {minutes} min"),
        _ => format!("{at}, in {seconds} s"),
    }
}

/// The claims of RFC 7519 and OpenID Connect that are times.
fn moment(name: &str, value: &serde_json::Value) -> Option<String> {
    let is_time = matches!(name, "exp" | "nbf" | "iat" | "auth_time" | "updated_at");
    let seconds = value.as_i64().filter(|_| is_time)?;
    rfc3339(OffsetDateTime::from_unix_timestamp(seconds).ok()?)
}

fn rfc3339(at: OffsetDateTime) -> Option<String> {
    at.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_among_the_claims_are_shown_as_times() {
        assert_eq!(moment("exp", &1_800_000_000.into()).as_deref(), Some("2027-01-15T08:00:00Z"));
        assert_eq!(moment("sub", &1_800_000_000.into()), None);
        assert_eq!(moment("iat", &"yesterday".into()), None);
    }

    #[test]
    fn neither_a_claim_nor_a_token_can_write_to_the_terminal() {
        assert_eq!(visible("tok\u{202e}é\u{1b}\u{2066}\n"), "tok\\u{202e}é\\u{1b}\\u{2066}\n");
        assert_eq!(shown("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
