//! `[upstream.NAME]`.

use super::super::{Environment, UpstreamConfig, VariableOrigin};
use super::defaults::listed;
use super::flows::FlowTable;
use super::routes::RouteKey;
use super::scope::Scope;
use super::variables::{Taken, VariableSources};
use super::{access, base, flows, headers, host, listen, outbound};
use crate::document::{Node, Problems, Table, nearest, placeholder};
use crate::endpoint::Base;
use crate::flow::Flow;
use crate::guard::Access;
use crate::proxy::settings::{Listen, Match, Protocol, UpstreamSettings};
use crate::tls::TlsSettings;

/// Reserved names: `BEARERD_CLIENT_ID` would be a configuration key, not a variable of this upstream.
const RESERVED: &[&str] = &["bearerd"];

/// What could be read: the route, to compare it with other upstreams, and the whole if there is no error.
pub(super) struct ReadUpstream {
    pub(super) route: RouteKey,
    pub(super) config: Option<UpstreamConfig>,
}

pub(super) fn read(
    node: &Node<'_>,
    environment: &Environment,
    flows: &FlowTable,
    taken: &mut Taken,
    problems: &Problems,
) -> Option<ReadUpstream> {
    let table = node.table(problems)?;
    let scope = Scope::new(environment, problems);
    let named = check_name(node, problems);
    let plaintext = table.or("unsafe_plaintext", false, |node| node.boolean(problems));
    let flow = flow(node, &table, flows, taken, plaintext.unwrap_or(true), &scope);
    let route = RouteKey {
        listen: table.or("listen", Listen::default(), |node| listen::read(node, problems)),
        matches: matches(&table, problems),
        token_hosts: flow.as_ref().map(|(flow, _)| flow.token_hosts()).unwrap_or_default(),
        base: url(node, &table, flow.as_ref().map(|(flow, _)| flow), plaintext.unwrap_or(true), problems).flatten(),
    };
    let access = access::read(table.get("access"), &scope);
    let safe = check_exposure(&table, route.listen.as_ref(), access.as_ref(), problems);
    let rest = rest(&table, flow.as_ref().map(|(flow, _)| flow), &scope);
    table.finish(problems);
    let config = named.and(plaintext).and(safe).and_then(|()| whole(node, &route, access, flow, rest, scope));
    Some(ReadUpstream { route, config })
}

fn check_name(node: &Node<'_>, problems: &Problems) -> Option<()> {
    let name = node.name();
    if RESERVED.contains(&name) {
        node.error(problems, format!("`{name}` is reserved"), Some("name the upstream after its API".into()));
        return None;
    }
    let letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if letter && rest {
        return Some(());
    }
    let better: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let better = better.trim_matches(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    let hint = if better.starts_with(|c: char| c.is_ascii_lowercase()) {
        format!("use lowercase letters, digits and dashes, starting with a letter: `{better}`")
    } else {
        "use lowercase letters, digits and dashes, starting with a letter".into()
    };
    node.error(problems, format!("invalid upstream name `{name}`"), Some(hint));
    None
}

fn flow(
    node: &Node<'_>,
    table: &Table<'_>,
    flows: &FlowTable,
    taken: &mut Taken,
    plaintext: bool,
    scope: &Scope<'_>,
) -> Option<(Flow, Vec<VariableOrigin>)> {
    let problems = scope.problems;
    let (written, environment) = (table.get("flow"), table.get("env"));
    let name = written.as_ref().and_then(|flow| flow.text(problems));
    if written.is_none() {
        let hint = match nearest(node.name(), flows.names()) {
            Some(near) => format!("did you mean `flow = \"{near}\"`? `bearerd flows` lists them all"),
            None => format!("one of: {}", listed(flows.names())),
        };
        node.error(problems, "`flow` is missing", Some(hint));
    }
    let known = name.zip(written).and_then(|(name, written)| flows.find(name, &written, problems));
    let lookup = VariableSources::new(node, table, name.unwrap_or_default(), scope);
    let Some(known) = known else {
        lookup.check_alone();
        return None;
    };
    let environment = environment.map_or(Some(None), |node| flows::environment(known, &node, problems).map(Some));
    let filled = lookup.fill(known.variables(), taken);
    let (environment, filled) = (environment?, filled?);
    let flow = flows::compile(known, environment, &filled.values, plaintext, table, problems)?;
    Some((flow, filled.variables))
}

fn matches(table: &Table<'_>, problems: &Problems) -> Option<Match> {
    let host = table.optional("host", |node| host::read(node, node.text(problems)?, problems));
    let path = table.or("path", String::new(), |node| prefix(node, problems));
    let strip = table.or("strip_path", true, |node| node.boolean(problems));
    Some(Match { host: host?, path: path?, strip: strip? })
}

fn prefix(node: &Node<'_>, problems: &Problems) -> Option<String> {
    let text = absolute(node, problems)?;
    if text.contains(['?', '#', '*']) || text.contains("//") || text.split('/').any(|part| part == "." || part == "..")
    {
        let hint = "write a plain path such as `/younium`; it also matches everything below";
        node.error(problems, format!("invalid path prefix `{text}`"), Some(hint.into()));
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn absolute(node: &Node<'_>, problems: &Problems) -> Option<String> {
    let text = node.text(problems)?;
    let clean = !text.contains(|c: char| c.is_control() || c == ' ');
    if text.starts_with('/') && clean {
        return Some(text.to_owned());
    }
    let hint = if clean { format!("paths start with a slash: `/{text}`") } else { "write a space as `%20`".into() };
    node.error(problems, format!("invalid path `{text}`"), Some(hint));
    None
}

/// `Some(None)` if only the login's reply names it.
fn url(
    node: &Node<'_>,
    table: &Table<'_>,
    flow: Option<&Flow>,
    plaintext: bool,
    problems: &Problems,
) -> Option<Option<Base>> {
    let own = table.get("url");
    let (place, text) = match (&own, flow) {
        (Some(url), _) => (url, url.text(problems)?),
        (None, None) => return None,
        (None, Some(Flow { upstream: Some(text), .. })) => (node, text.as_str()),
        (None, Some(flow)) if flow.upstream_from_login => return Some(None),
        (None, Some(flow)) => {
            let message = format!("`url` is missing: the flow `{}` has no URL of its own", flow.name);
            node.error(problems, message, Some("write `url = \"https://api.example.com\"`".into()));
            return None;
        }
    };
    let parsed = base::parse(text, plaintext);
    if let Err((message, hint)) = &parsed {
        let variable = format!("BEARERD_UPSTREAM__{}__URL", node.name().to_uppercase().replace('-', "_"));
        let filled =
            placeholder(text).map(|_| format!("variables are not expanded here: remove the line, and set {variable}"));
        let hint = &filled.unwrap_or_else(|| hint.clone());
        let message = if own.is_some() { message.clone() } else { format!("{message} (from the flow)") };
        place.error(problems, message, Some(hint.clone()));
    }
    parsed.ok().map(Some)
}

/// An address that other machines can reach gives them the use of the credentials, so it must be intended and have a
/// key.
fn check_exposure(
    table: &Table<'_>,
    listen: Option<&Listen>,
    access: Option<&Access>,
    problems: &Problems,
) -> Option<()> {
    let meant = table.or("unsafe_listen", false, |node| node.boolean(problems))?;
    let (Some(listen), Some(access)) = (listen, access) else { return Some(()) };
    if listen::is_private(listen) {
        return Some(());
    }
    let place = table.get("listen").unwrap_or_else(|| table.node().clone());
    let address = listen::written(listen);
    let hint = if !meant {
        "listen on localhost, or set `unsafe_listen = true` and `access.key`"
    } else if access.key.is_none() {
        "set `access.key = { file = \"/path\" }`; callers send it as X-Bearerd-Key"
    } else {
        return Some(());
    };
    place.error(problems, format!("anyone who can reach {address} could use these credentials"), Some(hint.into()));
    None
}

const CASE_IS_GIVEN: &str = "remove it: over HTTP/1.1, header names are sent `Like-This`, except those that the \
    flow or `headers` sets, which are sent as written there";

/// The settings that are independent of all others.
struct UpstreamRest {
    settings: UpstreamSettings,
    tls: TlsSettings,
    required: bool,
    check_path: Option<String>,
}

fn rest(table: &Table<'_>, flow: Option<&Flow>, scope: &Scope<'_>) -> Option<UpstreamRest> {
    let problems = scope.problems;
    let mut settings = UpstreamSettings::default();
    let headers = headers::read(table, flow.map(|flow| flow.owned.headers.as_slice()), scope);
    let words = [("auto", Protocol::Auto), ("http1", Protocol::Http1), ("http2", Protocol::Http2)];
    table.fill("protocol", &mut settings.protocol, |node| node.one_of(problems, &words));
    table.removed("preserve_header_case", CASE_IS_GIVEN, problems);
    table.fill("timeouts", &mut settings.timeouts, |node| outbound::timeouts(node, problems));
    table.fill("retry", &mut settings.retry, |node| outbound::retry(node, problems));
    let tls = outbound::tls(table.get("tls"), scope);
    let proxy = outbound::proxy(table, scope);
    let required = table.or("required", true, |node| node.boolean(problems));
    let check_path = table.or("check", None, |node| check(node, problems));
    let (headers, tls) = (headers?, tls?);
    settings.headers = headers.set;
    settings.caller_may_set = headers.caller_may_set;
    settings.remove_headers = headers.remove;
    settings.server_name = tls.server_name.clone();
    settings.outbound_proxy = proxy?;
    let rest = UpstreamRest { settings, tls, required: required?, check_path: check_path? };
    (!table.has_wrong_value()).then_some(rest)
}

fn check(node: &Node<'_>, problems: &Problems) -> Option<Option<String>> {
    let table = node.table(problems)?;
    let path = table.optional("path", |node| absolute(node, problems));
    table.finish(problems);
    path
}

fn whole(
    node: &Node<'_>,
    route: &RouteKey,
    access: Option<Access>,
    flow: Option<(Flow, Vec<VariableOrigin>)>,
    rest: Option<UpstreamRest>,
    scope: Scope<'_>,
) -> Option<UpstreamConfig> {
    let (rest, (flow, variables)) = (rest?, flow?);
    if route.base.is_none() && !flow.upstream_from_login {
        return None;
    }
    let proxy = UpstreamSettings {
        name: node.name().into(),
        listen: route.listen.clone()?,
        matches: route.matches.clone()?,
        base: route.base.clone(),
        access: access?,
        ..rest.settings
    };
    Some(UpstreamConfig {
        proxy,
        flow,
        tls: rest.tls,
        required: rest.required,
        check_path: rest.check_path,
        inputs: scope.into_inputs(),
        variables,
    })
}
