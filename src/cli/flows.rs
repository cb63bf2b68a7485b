//! `bearerd flows`: the built-in flows and their variables.

use std::fmt::Write;

use super::args;
use super::failure::{CONFIGURATION, CommandFailure};
use super::output::Output;
use crate::document::nearest;
use crate::flow::{FlowSpec, Variable, shipped};

pub(super) fn flows(args: &args::FlowsArgs, output: &Output) -> Result<(), CommandFailure> {
    let text = match (&args.name, args.markdown) {
        (None, false) => list(),
        (None, true) => markdown(),
        (Some(name), markdown) => one(find(name)?, markdown),
    };
    output.result(&text);
    Ok(())
}

fn find(name: &str) -> Result<&'static FlowSpec, CommandFailure> {
    shipped::get(name).ok_or_else(|| {
        let failure = CommandFailure::new(CONFIGURATION, format!("unknown flow `{name}`"));
        match nearest(name, shipped::names()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`bearerd flows` lists them all"),
        }
    })
}

fn all() -> Vec<&'static FlowSpec> {
    shipped::names().filter_map(shipped::get).collect()
}

fn list() -> String {
    let flows = all();
    let width = flows.iter().map(|flow| flow.name().len()).max().unwrap_or_default();
    let mut text = String::new();
    for flow in flows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:width$}  {}", flow.name(), flow.about().unwrap_or_default());
    }
    text + "\n`bearerd flows NAME` shows what a flow needs, with a configuration to paste.\n"
}

fn markdown() -> String {
    let mut text = String::from("| flow | for | needs | environments |\n|---|---|---|---|\n");
    for flow in all() {
        let needs: Vec<_> = flow.variables().iter().filter(|one| is_needed(one)).map(|one| code(&one.name)).collect();
        let environments: Vec<_> = flow.environments().iter().map(|one| code(&one.name)).collect();
        let about = cell(flow.about().unwrap_or_default());
        let (needs, environments) = (needs.join(", "), environments.join(", "));
        let _ = writeln!(text, "| {} | {about} | {needs} | {environments} |", code(flow.name()));
    }
    text
}

fn one(flow: &FlowSpec, markdown: bool) -> String {
    let mut text = if markdown { format!("## {}\n\n", flow.name()) } else { String::new() };
    let _ = writeln!(text, "{}", flow.about().unwrap_or(flow.name()));
    if let Some(docs) = flow.docs() {
        let _ = writeln!(text, "{docs}");
    }
    text.push('\n');
    text.push_str(&if markdown { table(flow) } else { columns(flow) });
    let block = block(flow);
    match markdown {
        true => text + "\n```toml\n" + &block + "```\n",
        false => text + "\nTo paste into bearerd.toml:\n\n" + &block,
    }
}

fn table(flow: &FlowSpec) -> String {
    let mut text = String::from("| variable | | about |\n|---|---|---|\n");
    for one in flow.variables() {
        let about = cell(one.about.as_deref().unwrap_or_default());
        let _ = writeln!(text, "| {} | {} | {about} |", code(&one.name), cell(&kind(flow, one)));
    }
    text
}

fn columns(flow: &FlowSpec) -> String {
    let rows: Vec<_> = flow.variables().iter().map(|one| (one, kind(flow, one))).collect();
    let name = rows.iter().map(|(one, _)| one.name.len()).max().unwrap_or_default();
    let width = rows.iter().map(|(_, kind)| kind.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (one, kind) in rows {
        let row = format!("  {:name$}  {kind:width$}  {}", one.name, one.about.as_deref().unwrap_or_default());
        let _ = writeln!(text, "{}", row.trim_end());
    }
    for environment in flow.environments() {
        let values: Vec<_> = environment.values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let _ = writeln!(text, "\n  env = {:?}\n    {}", environment.name, values.join("\n    "));
    }
    text
}

fn is_needed(variable: &Variable) -> bool {
    variable.required && !variable.environment
}

fn kind(flow: &FlowSpec, variable: &Variable) -> String {
    match (&variable.default, variable.required) {
        _ if variable.environment && !flow.environments().is_empty() => "from env".into(),
        (Some(default), _) if !default.is_empty() => format!("default {default}"),
        (_, true) if variable.secret => "required, secret".into(),
        (_, true) => "required".into(),
        _ if variable.secret => "secret".into(),
        _ => "optional".into(),
    }
}

/// A configuration that works once its values are filled in.
fn block(flow: &FlowSpec) -> String {
    let name = flow.name();
    let mut text = format!("[upstream.{name}]\nflow = \"{name}\"\n");
    if let [first, others @ ..] = flow.environments() {
        let others: Vec<_> = others.iter().map(|other| other.name.as_str()).collect();
        let or = if others.is_empty() { String::new() } else { format!("  # or: {}", others.join(", ")) };
        let _ = writeln!(text, "env = {:?}{or}", first.name);
    }
    if !flow.has_upstream() {
        text.push_str("url = \"https://api.example.com\"\n");
    }
    let _ = writeln!(text, "\n[upstream.{name}.with]");
    for variable in flow.variables().iter().filter(|variable| !variable.environment) {
        text.push_str(&line(name, variable));
    }
    if flow.starts_from_refresh_token() {
        text.push_str("\n[store]\nkind = \"file\"\npath = \"tokens\"  # a directory\n");
        text.push_str("key = { env = \"STORE_KEY\" }  # encrypts what is stored; long and random\n");
    }
    text
}

fn line(upstream: &str, variable: &Variable) -> String {
    let Variable { name, default, .. } = variable;
    let environment = format!("{upstream}_{name}").to_uppercase().replace('-', "_");
    let about = variable.about.as_ref().map(|about| format!("  # {about}")).unwrap_or_default();
    match (is_needed(variable), variable.secret) {
        (_, true) => format!("{name} = {{ env = \"{environment}\" }}{about}\n"),
        (true, false) => format!("{name} = \"\"{about}\n"),
        (false, false) => format!("# {name} = {:?}{about}\n", default.as_deref().unwrap_or_default()),
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
