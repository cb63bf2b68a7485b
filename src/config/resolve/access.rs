//! The `access` table.

use std::net::IpAddr;

use http::Method;
use ipnet::IpNet;
use url::Url;

use super::host;
use super::scope::Scope;
use crate::document::{Node, Problems, Table, nearest};
use crate::guard::{Access, loopback};
use crate::secret::Secret;

/// Shorter keys can be guessed.
const SHORT_KEY: usize = 16;

pub(super) fn read(node: Option<Node<'_>>, scope: &Scope<'_>) -> Option<Access> {
    let Some(node) = node else { return Some(Access::default()) };
    let table = node.table(scope.problems)?;
    let problems = scope.problems;
    let peers = texts(&table, "peers", problems, |node, text| peer(node, text, problems));
    let hosts = texts(&table, "hosts", problems, |node, text| host::read(node, text, problems).map(|host| vec![host]));
    let methods = texts(&table, "methods", problems, |node, text| method(node, text, problems).map(|one| vec![one]));
    let paths = texts(&table, "paths", problems, |node, text| path(node, text, problems).map(|path| vec![path]));
    let origins = texts(&table, "origins", problems, |node, text| origin(node, text, problems).map(|one| vec![one]));
    let key = table.optional("key", |node| key(node, scope));
    let dot_segments = table.or("dot_segments", false, |node| node.boolean(problems));
    table.finish(problems);
    Some(Access {
        peers: peers?.unwrap_or_else(loopback),
        hosts: hosts?.unwrap_or_default(),
        methods: methods?.unwrap_or_default(),
        paths: paths?.unwrap_or_default().into_iter().collect(),
        origins: origins?.unwrap_or_default(),
        key: key?,
        dot_segments: dot_segments?,
    })
}

/// Reads a list of texts; `None` if an element is wrong.
fn texts<T>(
    table: &Table<'_>,
    name: &str,
    problems: &Problems,
    read: impl Fn(&Node<'_>, &str) -> Option<Vec<T>>,
) -> Option<Option<Vec<T>>> {
    let Some(node) = table.get(name) else { return Some(None) };
    let texts = node.texts(problems)?;
    let read: Vec<_> = texts.iter().map(|text| read(&node, text)).collect();
    let parts = read.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Some(parts.into_iter().flatten().collect()))
}

fn peer(node: &Node<'_>, text: &str, problems: &Problems) -> Option<Vec<IpNet>> {
    if text == "loopback" {
        return Some(loopback());
    }
    let one = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if one.is_none() {
        let hint = match nearest(text, ["loopback"]) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write `loopback` or a network such as `10.0.0.0/8`".into(),
        };
        node.error(problems, format!("invalid network `{text}`"), Some(hint));
    }
    one.map(|net| vec![net])
}

fn method(node: &Node<'_>, text: &str, problems: &Problems) -> Option<Method> {
    let upper = text.to_uppercase();
    if upper != text {
        node.error(problems, format!("invalid method `{text}`"), Some(format!("methods are uppercase: `{upper}`")));
        return None;
    }
    let method = Method::from_bytes(text.as_bytes()).ok();
    if method.is_none() {
        node.error(problems, format!("invalid method `{text}`"), None);
    }
    method
}

fn path(node: &Node<'_>, text: &str, problems: &Problems) -> Option<String> {
    let absolute = text.starts_with('/') || text.starts_with('*');
    if !absolute {
        let hint = format!("paths start with a slash: `/{text}`");
        node.error(problems, format!("invalid path pattern `{text}`"), Some(hint));
    }
    absolute.then(|| text.to_owned())
}

fn origin(node: &Node<'_>, text: &str, problems: &Problems) -> Option<String> {
    if text == "null" {
        return Some(text.to_owned());
    }
    let ascii = Url::parse(text).ok().map(|url| url.origin().ascii_serialization()).filter(|origin| origin != "null");
    match ascii {
        Some(ascii) if ascii == text.to_lowercase() => Some(ascii),
        Some(ascii) => {
            node.error(problems, format!("invalid origin `{text}`"), Some(format!("did you mean `{ascii}`?")));
            None
        }
        None => {
            let hint = "an origin is scheme, host and port, as in `https://app.example.com`";
            node.error(problems, format!("invalid origin `{text}`"), Some(hint.into()));
            None
        }
    }
}

fn key(node: &Node<'_>, scope: &Scope<'_>) -> Option<Secret> {
    let found = scope.secret(node)?;
    if found.read(|key| key.len() < SHORT_KEY) {
        let hint = "generate one with `openssl rand -hex 32`".to_owned();
        node.warn(scope.problems, format!("the key is shorter than {SHORT_KEY} characters"), Some(hint));
    }
    Some(found.value)
}
