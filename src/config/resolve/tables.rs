//! The tables for the whole process.

use std::collections::BTreeSet;

use super::super::settings::{AdminSettings, LogFormat, LogSettings, Runtime, StoreSettings};
use super::defaults::{filled, lasting};
use super::scope::Scope;
use super::{exposure, listen};
use crate::document::{Node, Problems, Table};
use crate::proxy::settings::{Limits, Listen};
use crate::record::AccessLog;
use crate::secret::Secret;

/// The minimum of `limits.memory`: enough for a handful of callers.
const LEAST_MEMORY: u64 = 8 << 20;

/// The kinds of stores, each with the keys that it reads besides `kind`.
const STORES: [(&str, &[&str]); 3] =
    [("memory", &[]), ("file", &["path", "key"]), ("redis", &["url", "prefix", "key"])];

/// The default port of the admin listener.
const ADMIN_PORT: u16 = 9090;

pub(super) fn admin(node: Option<Node<'_>>, problems: &Problems) -> Option<AdminSettings> {
    let default = AdminSettings { listen: Listen::Localhost(ADMIN_PORT), quit: false, dashboard: true };
    filled(node.as_ref(), default, problems, |table, admin| {
        table.fill("listen", &mut admin.listen, |node| listen::read(node, problems));
        table.fill("quit", &mut admin.quit, |node| node.boolean(problems));
        table.fill("dashboard", &mut admin.dashboard, |node| node.boolean(problems));
    })
}

pub(super) fn log(node: Option<Node<'_>>, problems: &Problems) -> Option<LogSettings> {
    let default = LogSettings { format: None, level: "info".into(), access: AccessLog::default() };
    filled(node.as_ref(), default, problems, |table, log| {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        table.fill("format", &mut log.format, |node| node.one_of(problems, &formats).map(Some));
        table.fill("level", &mut log.level, |node| level(node, problems));
        let words = [("errors", AccessLog::Errors), ("all", AccessLog::All), ("off", AccessLog::Off)];
        table.fill("access", &mut log.access, |node| node.one_of(problems, &words));
    })
}

fn level(node: &Node<'_>, problems: &Problems) -> Option<String> {
    let text = node.text(problems)?;
    let words = ["off", "error", "warn", "info", "debug", "trace"];
    let one_word = text.chars().all(char::is_alphabetic);
    let known = !one_word || words.contains(&text.to_lowercase().as_str());
    let parsed = text.parse::<tracing_subscriber::filter::Targets>();
    if known && parsed.is_ok() && !text.is_empty() {
        return Some(text.to_owned());
    }
    let hint = match crate::document::nearest(text, words) {
        Some(word) => format!("did you mean `{word}`?"),
        None => "to set a level per module, write `info,bearerd::token=debug`".into(),
    };
    node.error(
        problems,
        format!("invalid log level `{text}`: expected off, error, warn, info, debug or trace"),
        Some(hint),
    );
    None
}

pub(super) fn store(node: Option<Node<'_>>, scope: &Scope<'_>) -> Option<StoreSettings> {
    let Some(node) = node else { return Some(StoreSettings::Memory) };
    let table = node.table(scope.problems)?;
    let kind = table.or("kind", "memory", |node| node.one_of(scope.problems, &STORES.map(|(kind, _)| (kind, kind))));
    let path = table.optional("path", |node| {
        let path = node.path_beside(node.text(scope.problems)?);
        exposure::check_store(node, &path, scope.problems);
        Some(path)
    });
    let url = table.optional("url", |node| redis_url(node, scope));
    let prefix = table.or("prefix", "bearerd:".to_owned(), |node| node.text(scope.problems).map(str::to_owned));
    let key = table.optional("key", |node| scope.secret(node).map(|found| found.value));
    let kind = kind?;
    only_for(&table, kind, scope.problems);
    table.finish(scope.problems);
    let store = match kind {
        "file" => StoreSettings::File { path: path?.or_else(|| lacks(&node, "path", scope.problems))?, key: key? },
        "redis" => StoreSettings::Redis {
            url: url?.or_else(|| lacks(&node, "url", scope.problems))?,
            prefix: prefix?,
            key: key?,
        },
        _ => return Some(StoreSettings::Memory),
    };
    Some(store)
}

/// Reports keys that only another kind of store uses.
fn only_for(table: &Table<'_>, kind: &str, problems: &Problems) {
    let own: Vec<_> = STORES.iter().filter(|(name, _)| *name == kind).flat_map(|(_, keys)| *keys).collect();
    let all: BTreeSet<_> = STORES.iter().flat_map(|(_, keys)| *keys).collect();
    for name in all.into_iter().filter(|name| !own.contains(name)) {
        if let Some(node) = table.get(name) {
            let hint = "set `kind`, or remove it";
            node.error(problems, format!("a `{kind}` store does not use `{name}`"), Some(hint.into()));
        }
    }
}

fn lacks<T>(node: &Node<'_>, name: &str, problems: &Problems) -> Option<T> {
    node.error(problems, format!("`{name}` is missing"), None);
    None
}

fn redis_url(node: &Node<'_>, scope: &Scope<'_>) -> Option<Secret> {
    let found = scope.secret(node)?;
    let url = found.read(url::Url::parse).ok();
    let fits = |url: url::Url| match url.scheme() {
        "redis" | "rediss" => url.has_host(),
        scheme => scheme == "unix" && url.path().len() > 1,
    };
    if url.is_some_and(fits) {
        return Some(found.value);
    }
    node.error(
        scope.problems,
        "invalid Redis URL",
        Some("expected a URL such as `rediss://user:password@host:6379/0`".into()),
    );
    None
}

pub(super) fn runtime(node: Option<Node<'_>>, problems: &Problems) -> Option<Runtime> {
    filled(node.as_ref(), Runtime::default(), problems, |table, runtime| {
        table.fill("shutdown_delay", &mut runtime.shutdown_delay, |node| node.duration(problems));
        table.fill("shutdown_grace", &mut runtime.shutdown_grace, |node| node.duration(problems));
        table.fill("startup_hold", &mut runtime.startup_hold, |node| node.duration(problems));
    })
}

pub(super) fn limits(node: Option<Node<'_>>, problems: &Problems) -> Option<Limits> {
    let time = |node: &Node<'_>| lasting(node, problems);
    let count = |node: &Node<'_>| at_least(node, 1, node.integer(problems)?, problems);
    let size = |node: &Node<'_>, least: u64| at_least(node, least, node.size(problems)?, problems);
    filled(node.as_ref(), Limits::default(), problems, |table, limits| {
        table.fill("connections", &mut limits.connections, count);
        table.fill("header_bytes", &mut limits.header_bytes, |node| size(node, 8192));
        table.fill("header_timeout", &mut limits.header_timeout, time);
        table.fill("body_idle", &mut limits.body_idle, time);
        table.fill("caller_idle", &mut limits.caller_idle, time);
        table.fill("caller_write", &mut limits.caller_write, time);
        table.fill("requests", &mut limits.requests, |node| count(node).map(Some));
        table.fill("memory", &mut limits.memory, |node| size(node, LEAST_MEMORY).map(|bytes| Some(bytes as u64)));
        table.fill("replay_total", &mut limits.replay_total, |node| node.size(problems));
    })
}

fn at_least(node: &Node<'_>, least: u64, number: u64, problems: &Problems) -> Option<usize> {
    if number < least {
        node.error(problems, format!("must be at least {least}"), None);
        return None;
    }
    usize::try_from(number).ok()
}
