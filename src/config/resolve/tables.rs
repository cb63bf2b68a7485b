//! The tables that say something about the whole process.

use std::time::Duration;

use super::super::settings::{AdminSettings, LogFormat, LogSettings, Runtime, StoreSettings};
use super::defaults::{optional, or};
use super::scope::Scope;
use super::{exposure, listen, outbound};
use crate::document::{Node, Problems, Table};
use crate::proxy::settings::{Limits, Listen};
use crate::record::AccessLog;
use crate::secret::Secret;

/// Less than this does not hold the heads and buffers of a handful of callers.
const LEAST_MEMORY: u64 = 8 << 20;

/// The admin listener's port, where nobody says otherwise.
const ADMIN_PORT: u16 = 9090;

pub(super) fn admin(node: Option<Node<'_>>, problems: &Problems) -> Option<AdminSettings> {
    let default = AdminSettings { listen: Listen::Localhost(ADMIN_PORT), quit: false, dashboard: true };
    let Some(node) = node else { return Some(default) };
    let table = node.table(problems)?;
    let listen = or(table.get("listen"), default.listen, |node| listen::read(node, problems));
    let quit = or(table.get("quit"), default.quit, |node| node.boolean(problems));
    let dashboard = or(table.get("dashboard"), default.dashboard, |node| node.boolean(problems));
    table.finish(problems);
    Some(AdminSettings { listen: listen?, quit: quit?, dashboard: dashboard? })
}

pub(super) fn log(node: Option<Node<'_>>, problems: &Problems) -> Option<LogSettings> {
    let default = LogSettings { format: None, level: "info".into(), access: AccessLog::default() };
    let Some(node) = node else { return Some(default) };
    let table = node.table(problems)?;
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = optional(table.get("format"), |node| node.one_of(problems, &formats));
    let level = or(table.get("level"), default.level, |node| level(node, problems));
    let words = [("errors", AccessLog::Errors), ("all", AccessLog::All), ("off", AccessLog::Off)];
    let access = or(table.get("access"), default.access, |node| node.one_of(problems, &words));
    table.finish(problems);
    Some(LogSettings { format: format?, level: level?, access: access? })
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
        None => "write `info`, or directives such as `info,bearerd::token=debug`".into(),
    };
    node.error(problems, format!("`{text}` is no log level"), Some(hint));
    None
}

pub(super) fn store(node: Option<Node<'_>>, scope: &Scope<'_>) -> Option<StoreSettings> {
    let Some(node) = node else { return Some(StoreSettings::Memory) };
    let table = node.table(scope.problems)?;
    let kind = or(table.get("kind"), "memory", |node| {
        node.one_of(scope.problems, &[("memory", "memory"), ("file", "file"), ("redis", "redis")])
    });
    let path = optional(table.get("path"), |node| {
        let path = node.path_beside(node.text(scope.problems)?);
        exposure::check_store(node, &path, scope.problems);
        Some(path)
    });
    let url = optional(table.get("url"), |node| redis_url(node, scope));
    let prefix = or(table.get("prefix"), "bearerd:".to_owned(), |node| node.text(scope.problems).map(str::to_owned));
    let key = optional(table.get("key"), |node| scope.secret(node).map(|found| found.value));
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

/// Keys that another kind of store would read are a misunderstanding.
fn only_for(table: &Table<'_>, kind: &str, problems: &Problems) {
    let read: &[&str] = match kind {
        "file" => &["path", "key"],
        "redis" => &["url", "prefix", "key"],
        _ => &[],
    };
    for name in ["path", "url", "prefix", "key"] {
        if let Some(node) = table.get(name).filter(|_| !read.contains(&name)) {
            node.error(
                problems,
                format!("the store `{kind}` has no `{name}`"),
                Some("set `kind`, or take it out".into()),
            );
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
        "this is no URL of redis",
        Some("write it like `rediss://user:password@host:6379/0`".into()),
    );
    None
}

pub(super) fn runtime(node: Option<Node<'_>>, problems: &Problems) -> Option<Runtime> {
    let default = Runtime::default();
    let Some(node) = node else { return Some(default) };
    let table = node.table(problems)?;
    let read = |name: &str, default: Duration| or(table.get(name), default, |node| node.duration(problems));
    let shutdown_delay = read("shutdown_delay", default.shutdown_delay);
    let shutdown_grace = read("shutdown_grace", default.shutdown_grace);
    let startup_hold = read("startup_hold", default.startup_hold);
    table.finish(problems);
    Some(Runtime { shutdown_delay: shutdown_delay?, shutdown_grace: shutdown_grace?, startup_hold: startup_hold? })
}

pub(super) fn limits(node: Option<Node<'_>>, problems: &Problems) -> Option<Limits> {
    let default = Limits::default();
    let Some(node) = node else { return Some(default) };
    let table = node.table(problems)?;
    let time = |name: &str, default: Duration| or(table.get(name), default, |node| outbound::lasting(node, problems));
    let connections =
        or(table.get("connections"), default.connections, |node| at_least(node, 1, node.integer(problems)?, problems));
    let header_bytes = or(table.get("header_bytes"), default.header_bytes, |node| {
        at_least(node, 8192, node.size(problems)?, problems)
    });
    let header_timeout = time("header_timeout", default.header_timeout);
    let body_idle = time("body_idle", default.body_idle);
    let caller_idle = time("caller_idle", default.caller_idle);
    let caller_write = time("caller_write", default.caller_write);
    let requests = optional(table.get("requests"), |node| at_least(node, 1, node.integer(problems)?, problems));
    let memory = optional(table.get("memory"), |node| at_least(node, LEAST_MEMORY, node.size(problems)?, problems));
    let replay_total = or(table.get("replay_total"), default.replay_total, |node| node.size(problems));
    table.finish(problems);
    Some(Limits {
        connections: connections?,
        header_bytes: header_bytes?,
        header_timeout: header_timeout?,
        body_idle: body_idle?,
        caller_idle: caller_idle?,
        caller_write: caller_write?,
        replay_total: replay_total?,
        requests: requests?,
        memory: memory?.map(|bytes| bytes as u64),
    })
}

fn at_least(node: &Node<'_>, least: u64, number: u64, problems: &Problems) -> Option<usize> {
    if number < least {
        node.error(problems, format!("must be at least {least}"), None);
        return None;
    }
    usize::try_from(number).ok()
}
