//! `[vars]` and `[env]`: a flow's variables, and named sets of values.

use super::{FlowEnvironment, Variable};
use crate::document::{Node, Problems, Table};
use crate::flow::template::reader::{FlowReader, Use};
use crate::flow::template::{days_ahead, is_name};

/// Names that every flow has.
fn is_built_in(name: &str) -> bool {
    matches!(name, "subject" | "token" | "refresh_token" | "now" | "uuid" | "jwt" | "via") || days_ahead(name).is_some()
}

/// All variables: those of `[vars]`, then those that only environments set.
pub(super) fn variables(table: &Table<'_>, problems: &Problems) -> Vec<Variable> {
    let written = table.get("vars").filter(|node| node.table(problems).is_some());
    let nodes = written.map_or_else(Vec::new, |node| node.entries());
    let mut all: Vec<_> = nodes.iter().filter_map(|node| variable(node, problems)).collect();
    for environment in table.get("env").map_or_else(Vec::new, |node| node.entries()) {
        for value in environment.entries() {
            match all.iter_mut().find(|variable| variable.name == value.name()) {
                Some(variable) => variable.environment = true,
                None => {
                    check_name(&value, problems);
                    all.push(from_environment(value.name()));
                }
            }
        }
    }
    all
}

fn from_environment(name: &str) -> Variable {
    let name = name.to_owned();
    Variable { name, about: None, default: None, required: false, secret: false, environment: true }
}

fn variable(node: &Node<'_>, problems: &Problems) -> Option<Variable> {
    check_name(node, problems);
    let table = node.table(problems)?;
    let text = |key: &str| table.get(key)?.text(problems).map(str::to_owned);
    let truth = |key: &str| table.get(key)?.boolean(problems);
    let (about, default) = (text("about"), text("default"));
    let secret = truth("secret").unwrap_or(false);
    let required = truth("required").unwrap_or(secret && default.is_none());
    table.finish(problems);
    Some(Variable { name: node.name().to_owned(), about, default, required, secret, environment: false })
}

fn check_name(node: &Node<'_>, problems: &Problems) {
    let name = node.name();
    if !is_name(name) || name.contains('.') {
        node.error(problems, format!("invalid variable name `{name}`"), Some("use letters, digits and `_`".to_owned()));
    }
}

/// Reports names that variables and captures may not have. `token` and `refresh_token` may be variables of flows
/// without a token request, and a flow without a login starts from the secret variable `refresh_token`.
pub(super) fn check_shadows(table: &Table<'_>, reader: &FlowReader<'_>, starts_from_refresh_token: bool) {
    let vars = table.get("vars").map_or_else(Vec::new, |node| node.entries());
    let environments = table.get("env").map_or_else(Vec::new, |node| node.entries());
    for node in vars.into_iter().chain(environments.iter().flat_map(Node::entries)) {
        let allowed = match node.name() {
            "token" => !reader.names.requests,
            "refresh_token" => !reader.names.requests || starts_from_refresh_token,
            name => !is_built_in(name),
        };
        if !allowed {
            let message = format!("`{}` cannot be a variable: the name is built in", node.name());
            node.error(reader.problems, message, None);
        }
        if reader.names.captures.iter().any(|capture| capture == node.name()) {
            node.error(reader.problems, format!("`{}` is also read from the reply", node.name()), None);
        }
    }
    for capture in reader.names.captures.iter().filter(|capture| is_built_in(capture) || !is_name(capture)) {
        table.node().error(reader.problems, format!("invalid name `{capture}` for a value of the reply"), None);
    }
}

/// Checks the names in defaults, which may use other variables.
pub(super) fn check_defaults(table: &Table<'_>, reader: &FlowReader<'_>) {
    for node in table.get("vars").map_or_else(Vec::new, |node| node.entries()) {
        let fields = node.entries();
        if let Some(default) = fields.iter().find(|field| field.name() == "default" && field.as_text().is_some()) {
            reader.template(default, Use::Setting);
        }
    }
}

/// `[env]`, in the order of writing.
pub(super) fn environments(table: &Table<'_>, reader: &FlowReader<'_>) -> Vec<FlowEnvironment> {
    let Some(node) = table.get("env") else { return Vec::new() };
    if node.table(reader.problems).is_none() {
        return Vec::new();
    }
    let mut environments = Vec::new();
    for entry in node.entries() {
        let pairs = reader.pairs(&entry, Use::Setting).into_iter();
        let values = pairs.map(|(name, template)| (name, template.source())).collect();
        environments.push(FlowEnvironment { name: entry.name().to_owned(), values });
    }
    if environments.is_empty() {
        node.error(reader.problems, "`env` has no environments", None);
    }
    environments
}

/// Reports secrets without use: a mistake in the flow.
pub(super) fn check_unused(table: &Table<'_>, reader: &FlowReader<'_>, variables: &[Variable]) {
    for node in table.get("vars").map_or_else(Vec::new, |node| node.entries()) {
        let secret = variables.iter().any(|variable| variable.secret && variable.name == node.name());
        if secret && !reader.has_used(node.name()) {
            let hint = format!("use `${{{}}}` in a request, or remove the variable", node.name());
            node.error(reader.problems, format!("the secret `{}` is not used", node.name()), Some(hint));
        }
    }
}
