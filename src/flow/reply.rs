//! Reads a grant from a reply: where each value is, and how long the token lives.

pub(super) mod excerpt;
pub(super) mod locator;
pub(super) mod mask;
pub(super) mod refusal;
pub(super) mod times;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use self::locator::{Located, Locator};
use self::times::Unit;
use super::client::Reply;
use super::template::reader::FlowReader;
use crate::document::{Node, Problems, ValueKind};
use crate::secret::Secret;
use crate::token::grant::{Grant, Life};
use crate::token::key::RecipeWriter;

/// Clock differences below this are ignored: `Date` has a resolution of one second, and replies take time.
const SAME_CLOCK: Duration = Duration::from_secs(5);

/// `[token.read]`: where each value is in a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ReplyReader {
    /// `None` in a flow that only captures values.
    token: Option<Locator>,
    token_is_written: bool,
    expires_in: Locator,
    expires_at: Locator,
    unit: Unit,
    refresh_in: Locator,
    /// `None` in a flow that sends no refresh token: what is not stored cannot leak.
    refresh_token: Option<Locator>,
    captures: Vec<(String, Locator)>,
}

impl Default for ReplyReader {
    /// The field names of RFC 6749.
    fn default() -> Self {
        let optional = |pointer| Locator::pointer(pointer).or_nothing();
        Self {
            token: Some(Locator::pointer("/access_token")),
            token_is_written: false,
            expires_in: optional("/expires_in"),
            expires_at: optional("/expires_at"),
            unit: Unit::Seconds,
            refresh_in: optional("/refresh_in"),
            refresh_token: Some(optional("/refresh_token")),
            captures: Vec::new(),
        }
    }
}

impl ReplyReader {
    /// Whether the key is predefined; all others name captures.
    pub(super) fn is_own_key(key: &str) -> bool {
        matches!(key, "token" | "expires_in" | "expires_at" | "unit" | "refresh_in" | "refresh_token")
    }

    /// Overrides the inherited locators with those written here.
    pub(super) fn with(mut self, reader: &FlowReader<'_>, node: &Node<'_>) -> Self {
        let Some(_) = node.table(reader.problems) else { return self };
        for entry in node.entries() {
            if entry.name() == "unit" {
                self.unit = unit(&entry, reader.problems).unwrap_or_default();
                continue;
            }
            let Some(locator) = locator(&entry, reader.problems) else { continue };
            match entry.name() {
                "token" => (self.token, self.token_is_written) = (Some(locator), true),
                "expires_in" => self.expires_in = locator.or_nothing(),
                "expires_at" => self.expires_at = locator.or_nothing(),
                "refresh_in" => self.refresh_in = locator.or_nothing(),
                "refresh_token" => self.refresh_token = Some(locator.or_nothing()),
                name => {
                    self.captures.retain(|(own, _)| own != name);
                    self.captures.push((name.to_owned(), locator));
                }
            }
        }
        self
    }

    /// Drops locators without use: the token in a flow that only captures, and an unused refresh token.
    pub(super) fn drop_unused(&mut self, uses_token: bool, uses_refresh_token: bool) {
        self.refresh_token = self.refresh_token.take().filter(|_| uses_refresh_token);
        if !self.token_is_written && !uses_token && !self.captures.is_empty() {
            self.token = None;
        }
    }

    pub(super) fn write_recipe(&self, recipe: &mut RecipeWriter) {
        recipe.part("read", format!("{self:?}").as_bytes());
    }

    /// Reads the grant in a reply. Values that a refresh does not repeat come from `previous`. The error is for people.
    pub(super) fn grant(
        &self,
        reply: &Reply,
        previous: Option<&Grant>,
        ttl: Option<Duration>,
    ) -> Result<Grant, String> {
        let located = Located::new(&reply.headers, &reply.body);
        let access = match &self.token {
            Some(locator) => {
                let found = locator.credential(&located).map_err(|why| format!("the token at {locator} {why}"))?;
                found.ok_or_else(|| format!("no token at {locator}"))?
            }
            None => String::new(),
        };
        let life = self.life(&located, &access, reply).or(ttl);
        Ok(Grant {
            refresh: self.refresh_token(&located).unwrap_or_else(|| previous?.refresh.clone()),
            captures: self.captured(&located, previous)?,
            issued: reply.sent,
            life: life.map_or(Life::UntilRejected, |life| Life::Until(reply.sent + life)),
            refresh_in: self.refresh_in.find(&located).and_then(|text| times::lifetime(&text, self.unit)),
            access: Secret::new(access),
        })
    }

    /// `None` if the reply has no refresh token. An unusable one still replaces the old one.
    fn refresh_token(&self, located: &Located<'_>) -> Option<Option<Secret>> {
        let locator = self.refresh_token.as_ref()?;
        match locator.credential(located) {
            Ok(text) => text.map(|text| Some(Secret::new(text))),
            Err(why) => {
                tracing::warn!("the refresh token at {locator} {why}: it cannot be used");
                let text = locator.find(located).filter(|text| !matches!(text.trim(), "" | "true" | "false"));
                text.map(|_| None)
            }
        }
    }

    fn captured(&self, located: &Located<'_>, previous: Option<&Grant>) -> Result<BTreeMap<String, Secret>, String> {
        let mut captures = BTreeMap::new();
        for (name, locator) in &self.captures {
            let kept = || previous?.captures.get(name).cloned();
            let found = locator.find(located).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            match found.map(Secret::new).or_else(kept) {
                Some(value) => drop(captures.insert(name.clone(), value)),
                None if locator.is_optional() => {}
                None => return Err(format!("no `{name}` at {locator}")),
            }
        }
        Ok(captures)
    }

    /// The token's lifetime from the moment the request was sent, if the reply states it.
    fn life(&self, located: &Located<'_>, access: &str, reply: &Reply) -> Option<Duration> {
        let relative = self.expires_in.find(located).and_then(|text| {
            let life = times::lifetime(&text, self.unit);
            if life.is_none() {
                tracing::debug!(at = %self.expires_in, "cannot read the lifetime in the reply; treating it as unknown");
            }
            life
        });
        let absolute = || {
            let text = self.expires_at.find(located)?;
            let end = times::moment(&text).and_then(|end| until(end, reply));
            if end.is_none() {
                tracing::debug!(at = %self.expires_at, "cannot read the expiry time in the reply; treating it as unknown");
            }
            end
        };
        relative.or_else(absolute).or_else(|| until(times::jwt_end(access)?, reply))
    }
}

/// The time from sending the request to a moment of the server's clock; `None` if that has passed.
fn until(end: Duration, reply: &Reply) -> Option<Duration> {
    let left = end.saturating_sub(server_time(&reply.headers, reply.sent_wall, reply.received_wall));
    (!left.is_zero()).then_some(left)
}

/// When the request was sent, since 1970, by the server's clock if `Date` shows that it differs from ours.
pub(super) fn server_time(headers: &HeaderMap, sent: SystemTime, received: SystemTime) -> Duration {
    let since_1970 = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (sent, received) = (since_1970(sent), since_1970(received));
    let date = headers.get(header::DATE).and_then(|date| times::moment(date.to_str().ok()?));
    match date {
        Some(date) if date.abs_diff(received) > SAME_CLOCK => date.saturating_sub(received.saturating_sub(sent)),
        _ => sent,
    }
}

/// Reads a locator: a text, or a list of which the first that exists counts.
pub(super) fn locator(node: &Node<'_>, problems: &Problems) -> Option<Locator> {
    let texts = match node.kind() {
        ValueKind::List => node.list(problems)?.iter().map(|item| item.text(problems)).collect::<Option<Vec<_>>>()?,
        _ => vec![node.text(problems)?],
    };
    Locator::parse(texts).map_err(|message| node.error(problems, message, Some(HINT.to_owned()))).ok()
}

const HINT: &str = "`/json/pointer`, `header:Name`, `cookie:Name`, `text`, or a list of these";

fn unit(node: &Node<'_>, problems: &Problems) -> Option<Unit> {
    let unit = Unit::parse(node.text(problems)?);
    if unit.is_none() {
        node.error(problems, "unknown unit", Some("\"s\", \"ms\" or \"m\"".to_owned()));
    }
    unit
}

#[cfg(test)]
mod tests;
