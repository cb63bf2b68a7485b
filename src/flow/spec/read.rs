//! Reading a flow from its table.

use super::{CallSpec, FlowSpec, PolicySpec, RevokeSpec, SubjectSpec, vars};
use crate::document::{Node, Problems, Table};
use crate::endpoint;
use crate::flow::address;
use crate::flow::reply::ReplyReader;
use crate::flow::reply::locator::Locator;
use crate::flow::request::TokenRequest;
use crate::flow::template::Template;
use crate::flow::template::reader::{FlowNames, FlowReader, Use};
use crate::flow::usage::expired::Expired;
use crate::flow::usage::inject::Inject;
use crate::token::key::SubjectPattern;

impl FlowSpec {
    /// Reads a flow. `name` is that of its table or file; a `name` inside must agree. Every problem is reported; with
    /// an error there is no flow.
    pub fn read(name: Option<&str>, node: &Node<'_>, problems: &Problems) -> Option<Self> {
        let own = Problems::default();
        let spec = flow(name, node, &own);
        let failed = own.has_errors();
        for problem in own.into_sorted() {
            problems.add(problem);
        }
        spec.filter(|_| !failed)
    }
}

fn flow<'p>(name: Option<&str>, node: &Node<'p>, problems: &'p Problems) -> Option<FlowSpec> {
    let table = node.table(problems)?;
    let name = flow_name(name, &table, problems);
    let variables = vars::variables(&table, problems);
    let own = variables.iter().map(|variable| variable.name.clone());
    let reader = FlowReader::new(problems, node, names(&table, own));
    refuse_unsupported(&table, problems);
    let text = |key: &str| table.get(key)?.text(problems).map(str::to_owned);
    let token = table.get("token").and_then(|node| call(&reader, &node, None));
    let refresh = table.get("refresh").and_then(|node| call(&reader, &node, token.as_ref()));
    let mut spec = FlowSpec {
        name: name?,
        about: text("about"),
        docs: text("docs"),
        environments: vars::environments(&table, &reader),
        upstream: table.get("upstream").and_then(|node| upstream(&reader, &node)),
        hosts: table.get("hosts").map_or_else(Vec::new, |node| hosts(&reader, &node)),
        subject: table.get("subject").and_then(|node| subject(&reader, &node)),
        token,
        refresh,
        revoke: table.get("revoke").and_then(|node| revoke(&reader, &node)),
        inject: Inject::read(&reader, table.get("inject").as_ref()),
        expired: Expired::read(&reader, table.get("expired").as_ref()),
        policy: table.get("policy").map_or_else(PolicySpec::default, |node| policy(&reader, &node)),
        captures: Vec::new(),
        variables,
    };
    vars::check_defaults(&table, &reader);
    vars::check_shadows(&table, &reader, spec.starts_from_refresh_token());
    check_whole(&spec, &table, &reader);
    vars::check_unused(&table, &reader, &spec.variables);
    let (uses_token, uses_refresh_token) = (reader.has_used("token"), reader.has_used("refresh_token"));
    for call in spec.token.iter_mut().chain(&mut spec.refresh) {
        call.read.drop_unused(uses_token, uses_refresh_token);
    }
    spec.captures = reader.names.captures;
    table.finish(problems);
    Some(spec)
}

fn flow_name(outer: Option<&str>, table: &Table<'_>, problems: &Problems) -> Option<String> {
    let own = table.get("name").and_then(|node| Some((node.text(problems)?, node)));
    match (outer, own) {
        (Some(outer), Some((own, node))) if outer != own => {
            let message = format!("the file or table names the flow `{outer}`, but `name` is `{own}`");
            node.error(problems, message, Some("remove `name`, or make both the same".to_owned()));
            None
        }
        (Some(name), _) | (None, Some((name, _))) => Some(name.to_owned()),
        (None, None) => {
            table.node().error(problems, "`name` is missing", None);
            None
        }
    }
}

/// All names that templates may use.
fn names(table: &Table<'_>, variables: impl Iterator<Item = String>) -> FlowNames {
    let calls: Vec<_> = ["token", "refresh"].into_iter().filter_map(|key| table.get(key)).collect();
    let reads = calls.iter().flat_map(Node::entries).filter(|node| node.name() == "read");
    let mut captures: Vec<String> = Vec::new();
    for node in reads.flat_map(|read| read.entries()) {
        if !ReplyReader::is_own_key(node.name()) && !captures.iter().any(|capture| capture == node.name()) {
            captures.push(node.name().to_owned());
        }
    }
    let subject = table.get("subject").is_some();
    FlowNames { variables: variables.collect(), captures, subject, requests: !calls.is_empty() }
}

fn refuse_unsupported(table: &Table<'_>, problems: &Problems) {
    for (key, what) in [("sign", "signing a JWT"), ("via", "a flow that starts from another flow's token")] {
        if let Some(node) = table.get(key) {
            node.error(problems, format!("`{key}` is not supported yet: {what} comes later"), None);
        }
    }
}

fn call(reader: &FlowReader<'_>, node: &Node<'_>, parent: Option<&CallSpec>) -> Option<CallSpec> {
    let table = node.table(reader.problems)?;
    let request = TokenRequest::read(reader, &table);
    let inherited = parent.map_or_else(ReplyReader::default, |parent| parent.read.clone());
    let read = match table.get("read") {
        Some(node) => inherited.with(reader, &node),
        None => inherited,
    };
    let ttl = table.get("ttl").and_then(|node| reader.duration(&node));
    table.finish(reader.problems);
    Some(CallSpec { request: request?, read, ttl: ttl.or_else(|| parent?.ttl.clone()) })
}

fn revoke(reader: &FlowReader<'_>, node: &Node<'_>) -> Option<RevokeSpec> {
    let table = node.table(reader.problems)?;
    let request = TokenRequest::read(reader, &table);
    let at_shutdown = table.get("at_shutdown").and_then(|node| node.boolean(reader.problems)).unwrap_or(false);
    table.finish(reader.problems);
    Some(RevokeSpec { request: request?, at_shutdown })
}

fn upstream(reader: &FlowReader<'_>, node: &Node<'_>) -> Option<Template> {
    let template = reader.template(node, Use::Inject)?;
    if let Some(Err(message)) = template.as_text().map(|text| endpoint::parse(text, true)) {
        node.error(reader.problems, format!("the URL {message}"), None);
    }
    Some(template)
}

fn hosts(reader: &FlowReader<'_>, node: &Node<'_>) -> Vec<Template> {
    let mut hosts = Vec::new();
    for item in node.list(reader.problems).unwrap_or_default() {
        let Some(template) = reader.template(&item, Use::Setting) else { continue };
        if template.as_text().is_some_and(|text| !address::is_host_pattern(text)) {
            let hint = "write a host name, or `*.example.com`";
            item.error(reader.problems, "invalid host name", Some(hint.to_owned()));
        }
        hosts.push(template);
    }
    hosts
}

fn subject(reader: &FlowReader<'_>, node: &Node<'_>) -> Option<SubjectSpec> {
    let table = node.table(reader.problems)?;
    let header = table.require("from", reader.problems).and_then(|from| {
        let locator = Locator::parse([from.text(reader.problems)?]);
        let header = locator.ok().and_then(|locator| locator.as_header().cloned());
        if header.is_none() {
            from.error(
                reader.problems,
                "a subject must come from a header",
                Some("`from = \"header:X-User\"`".to_owned()),
            );
        }
        header
    });
    let pattern = table.get("pattern").and_then(|pattern| {
        let text = pattern.text(reader.problems)?;
        if let Err(error) = SubjectPattern::new(text) {
            pattern.error(reader.problems, format!("invalid pattern: {error}"), None);
        }
        Some(text.to_owned())
    });
    let default = table.get("default").and_then(|node| reader.template(&node, Use::Setting));
    let idle = table.get("idle").and_then(|node| reader.duration(&node));
    let max = table.get("max").and_then(|node| node.integer(reader.problems)).unwrap_or(1000);
    table.finish(reader.problems);
    let pattern = pattern.unwrap_or_else(|| r"\S{1,256}".to_owned());
    Some(SubjectSpec { header: header?, pattern, default, idle, max: usize::try_from(max).unwrap_or(usize::MAX) })
}

fn policy(reader: &FlowReader<'_>, node: &Node<'_>) -> PolicySpec {
    let Some(table) = node.table(reader.problems) else { return PolicySpec::default() };
    let duration = |key: &str| table.get(key).and_then(|node| reader.duration(&node));
    let policy = PolicySpec {
        margin: duration("margin"),
        min_interval: duration("min_interval"),
        exclusive: table.get("exclusive").and_then(|node| node.boolean(reader.problems)).unwrap_or(false),
        hold: duration("hold"),
    };
    table.finish(reader.problems);
    policy
}

/// Checks that involve several keys.
fn check_whole(spec: &FlowSpec, table: &Table<'_>, reader: &FlowReader<'_>) {
    let error = |key: &str, message: &str, hint: &str| {
        let node = table.get(key).unwrap_or_else(|| table.node().clone());
        node.error(reader.problems, message, Some(hint.to_owned()));
    };
    let given = spec.variables.iter().any(|variable| variable.name == "refresh_token" && variable.secret);
    if spec.starts_from_refresh_token() && !given {
        let hint = "add `refresh_token = { about = \"…\", secret = true }` to `[vars]`, or a `[token]`";
        error("refresh", "without `[token]`, a flow starts from the secret variable `refresh_token`", hint);
    }
    if spec.revoke.is_some() && !reader.names.requests {
        error("revoke", "there is no token to revoke: the flow requests none", "remove `[revoke]`, or add `[token]`");
    }
    if spec.subject.is_some() && !reader.has_used("subject") {
        error("subject", "`${subject}` is not used, so all users would share one token", "use it in `[token]`");
    }
    let captured = |template: &Template| {
        template.names().any(|name| name == "token" || reader.names.captures.iter().any(|capture| capture == name))
    };
    if spec.hosts.is_empty() && spec.upstream.as_ref().is_some_and(captured) && reader.names.requests {
        let hint = "add `hosts = [\"*.example.com\"]`, so that a wrong reply cannot send the token elsewhere";
        error("upstream", "the reply names the API's host, and no `hosts` restricts it", hint);
    }
}
