//! The headers of one upstream: set, removed, or left to the caller.

use http::{HeaderName, HeaderValue};

use super::defaults::listed;
use super::scope::Scope;
use crate::document::{Node, Problems, Table, ValueKind, nearest};
use crate::token::patch::CasedName;

/// Headers that HTTP itself sets; changing them would break the message.
const OF_THE_MESSAGE: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The values of `headers`, `caller_may_set` and `remove_headers`.
pub(super) struct Headers {
    pub(super) set: Vec<(CasedName, HeaderValue)>,
    pub(super) caller_may_set: Vec<HeaderName>,
    pub(super) remove: Vec<HeaderName>,
}

/// `owned`: the names that the flow sets; `None` if the flow is invalid.
pub(super) fn read(table: &Table<'_>, owned: Option<&[HeaderName]>, scope: &Scope<'_>) -> Option<Headers> {
    let problems = scope.problems;
    let written = table.or("headers", Vec::new(), |node| set(node, owned.unwrap_or_default(), scope));
    let known: Option<Vec<_>> = written.as_ref().map(|written| {
        let names = written.iter().map(|(name, _)| name.name().clone());
        names.chain(owned.unwrap_or_default().iter().cloned()).collect()
    });
    let caller_may_set = names(table, "caller_may_set", problems, |node, name| match (&known, owned) {
        (Some(known), Some(owned)) => may_set(node, name, known, owned, problems),
        _ => Some(()),
    });
    let remove = names(table, "remove_headers", problems, |node, name| changeable(node, name, problems));
    // Headers with an empty value are left to the caller.
    let set = written?.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    Some(Headers { set, caller_may_set: caller_may_set?, remove: remove? })
}

fn set(node: &Node<'_>, owned: &[HeaderName], scope: &Scope<'_>) -> Option<Vec<(CasedName, HeaderValue)>> {
    node.table(scope.problems)?;
    let read: Vec<_> = node.entries().iter().map(|entry| header(entry, owned, scope)).collect();
    let headers = read.into_iter().collect::<Option<Vec<_>>>()?;
    let names: Vec<_> = headers.iter().map(|(name, _)| name.name()).collect();
    let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    if let Some((_, name)) = twice {
        node.error(scope.problems, format!("the header `{name}` is set twice"), Some("keep one of them".into()));
        return None;
    }
    Some(headers)
}

fn header(node: &Node<'_>, owned: &[HeaderName], scope: &Scope<'_>) -> Option<(CasedName, HeaderValue)> {
    let problems = scope.problems;
    let name = parse(node, node.name(), problems).filter(|name| changeable(node, name, problems).is_some());
    if name.as_ref().is_some_and(|name| *name == http::header::AUTHORIZATION && owned.contains(name)) {
        let hint = "to send a fixed credential, use the flow `bearer` or `api-key`";
        node.error(problems, "this would replace the token that the flow sets", Some(hint.into()));
        return None;
    }
    let found = scope.value(node)?;
    let Ok(mut value) = found.read(HeaderValue::from_str) else {
        node.error(problems, "invalid header value", Some("it contains a control character".into()));
        return None;
    };
    value.set_sensitive(node.kind() == ValueKind::Table);
    Some((CasedName::new(name?, node.name()), value))
}

fn names(
    table: &Table<'_>,
    key: &str,
    problems: &Problems,
    check: impl Fn(&Node<'_>, &HeaderName) -> Option<()>,
) -> Option<Vec<HeaderName>> {
    let Some(node) = table.get(key) else { return Some(Vec::new()) };
    let texts = node.texts(problems)?;
    let read = |text: &String| parse(&node, text, problems).filter(|name| check(&node, name).is_some());
    texts.iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

fn parse(node: &Node<'_>, text: &str, problems: &Problems) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(text.as_bytes()).ok();
    if name.is_none() {
        node.error(problems, format!("invalid header name `{text}`"), None);
    }
    name
}

fn changeable(node: &Node<'_>, name: &HeaderName, problems: &Problems) -> Option<()> {
    if !OF_THE_MESSAGE.contains(&name.as_str()) {
        return Some(());
    }
    let hint = match name.as_str() {
        "host" => "`url` determines it",
        _ => "it belongs to the connection, not to the request",
    };
    node.error(problems, format!("the header `{name}` cannot be changed"), Some(hint.into()));
    None
}

fn may_set(
    node: &Node<'_>,
    name: &HeaderName,
    known: &[HeaderName],
    owned: &[HeaderName],
    problems: &Problems,
) -> Option<()> {
    if *name == http::header::AUTHORIZATION && owned.contains(name) {
        let hint = "the flow puts the token there and always removes the caller's own credential";
        node.error(problems, "the caller may not set `authorization`", Some(hint.into()));
        return None;
    }
    if known.contains(name) || *name == http::header::AUTHORIZATION {
        return Some(());
    }
    let names = || known.iter().map(HeaderName::as_str);
    let message = format!("neither the flow nor `headers` sets `{name}`, so the caller's value passes anyway");
    if let Some(near) = nearest(name.as_str(), names()) {
        node.error(problems, message, Some(format!("did you mean `{near}`?")));
        return None;
    }
    // A variable that is empty here may have a value elsewhere, with the same file.
    node.warn(problems, message, Some(format!("headers that are set: {}", listed(names()))));
    Some(())
}
