//! Resolves the merged tree, one file per table. It never stops at a problem.

mod access;
mod base;
mod defaults;
mod exposure;
mod flows;
mod headers;
mod host;
mod listen;
mod outbound;
mod routes;
mod scope;
mod tables;
mod upstream;
mod variables;

use super::{Environment, Inputs, Settings, StoreSettings, UpstreamConfig};
use crate::document::{Document, Node, Problem, Problems, Table};
use crate::token::key::{Recipe, RecipeWriter};
use flows::FlowTable;
use scope::Scope;

/// The settings of a document, unless there are errors. The flow files that were read are added to `files`.
pub(super) fn settings(
    document: &Document,
    environment: &Environment,
    files: &mut Inputs,
    problems: &Problems,
) -> Option<Settings> {
    let root = document.root().table(problems)?;
    let scope = Scope::new(environment, problems);
    let flows = FlowTable::read(&root, files, problems);
    let admin = tables::admin(root.get("admin"), problems);
    let log = tables::log(root.get("log"), problems);
    let store = tables::store(root.get("store"), &scope);
    let runtime = tables::runtime(root.get("runtime"), problems);
    let limits = tables::limits(root.get("limits"), problems);
    let upstreams = upstreams(&root, environment, &flows, problems);
    flows.warn_unused(problems);
    let store_node = root.get("store");
    root.finish(problems);
    let found = upstreams.iter().map(|(node, found)| (node, &found.route)).collect::<Vec<_>>();
    routes::check(&found, admin.as_ref().map(|admin| &admin.listen), problems);
    lasting_store(&upstreams, store.as_ref(), problems);
    sealed_store(&upstreams, store.as_ref().zip(store_node), problems);
    one_name_each(&upstreams, store.as_ref(), problems);
    let upstreams = upstreams.into_iter().map(|(_, found)| found.config).collect::<Option<_>>()?;
    Some(Settings { upstreams, admin: admin?, log: log?, store: store?, runtime: runtime?, limits: limits? })
}

fn upstreams<'d>(
    root: &Table<'d>,
    environment: &Environment,
    flows: &FlowTable,
    problems: &Problems,
) -> Vec<(Node<'d>, upstream::ReadUpstream)> {
    let nodes = root.get("upstream").map(|node| node.table(problems).map_or_else(Vec::new, |_| node.entries()));
    let Some(nodes) = nodes.filter(|nodes| !nodes.is_empty()) else {
        no_upstream(problems);
        return Vec::new();
    };
    let mut variables = variables::Taken::default();
    let read = |node: Node<'d>| {
        let found = upstream::read(&node, environment, flows, &mut variables, problems)?;
        Some((node, found))
    };
    nodes.into_iter().filter_map(read).collect()
}

/// Flows that start from a refresh token need a persistent store: a refresh token may work only once, and its successor
/// would be lost with the process.
fn lasting_store(upstreams: &[(Node<'_>, upstream::ReadUpstream)], store: Option<&StoreSettings>, problems: &Problems) {
    for (node, found) in upstreams.iter().filter(|_| store == Some(&StoreSettings::Memory)) {
        let Some(config) = found.config.as_ref().filter(|config| config.flow.needs_lasting_store) else { continue };
        let message =
            format!("the flow `{}` starts from a refresh token, which the memory store would lose", config.flow.name);
        node.error(problems, message, Some("set `store.kind` to `file` or `redis`".into()));
    }
}

/// Warns about unencrypted refresh tokens: whoever reads one can act as the user.
fn sealed_store(
    upstreams: &[(Node<'_>, upstream::ReadUpstream)],
    store: Option<(&StoreSettings, Node<'_>)>,
    problems: &Problems,
) {
    let Some((_, node)) = store.filter(|(store, _)| store.is_unsealed()) else { return };
    let flows = upstreams.iter().filter_map(|(_, found)| found.config.as_ref().map(|config| &config.flow));
    if let Some(flow) = flows.into_iter().find(|flow| flow.uses_refresh_tokens) {
        let message = format!("the store keeps refresh tokens of the flow `{}` unencrypted", flow.name);
        node.warn(problems, message, Some("set `store.key` to a long random secret".into()));
    }
}

/// Names in a persistent store contain no secrets, so two accounts must differ in something else.
fn one_name_each(upstreams: &[(Node<'_>, upstream::ReadUpstream)], store: Option<&StoreSettings>, problems: &Problems) {
    let mut seen: Vec<(&Node<'_>, &UpstreamConfig, Recipe)> = Vec::new();
    for (node, found) in upstreams.iter().filter(|_| store != Some(&StoreSettings::Memory)) {
        let Some(config) = found.config.as_ref().filter(|config| config.flow.makes_requests) else { continue };
        let mut recipe = RecipeWriter::default();
        config.flow.write_recipe(&mut recipe);
        let recipe = recipe.finish();
        let same_name = |other: &&(_, &UpstreamConfig, Recipe)| other.1.flow.store_key == config.flow.store_key;
        if let Some((other, ..)) = seen.iter().find(same_name).filter(|other| other.2 != recipe) {
            let message = format!("would share a store entry with `{}`, but their secrets differ", other.name());
            let hint = "the flow and its non-secret variables name a store entry; give one of them a `[flow.NAME]` \
                of its own";
            node.error(problems, message, Some(hint.into()));
        }
        seen.push((node, config, recipe));
    }
}

fn no_upstream(problems: &Problems) {
    let hint = "add `[upstream.NAME]` with `flow = \"…\"` to ./bearerd.toml, or set BEARERD_UPSTREAM__NAME__FLOW; \
        `bearerd flows` lists the flows, and `bearerd demo` needs no configuration";
    let message = "no upstream is configured".to_owned();
    problems.add(Problem { key: "upstream".into(), message, hint: Some(hint.into()), ..Problem::default() });
}
