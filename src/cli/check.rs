//! `bearerd check`.

use super::args::{Check, OutputFormat};
use super::failure::{CONFIGURATION, CommandFailure};
use super::output::Output;
use super::run::loader;
use crate::config::{Environment, Settings};

pub(super) fn check(args: &Check, environment: Environment, output: &Output) -> Result<(), CommandFailure> {
    let loaded = loader(&args.source, environment)?.load();
    let report = loaded.as_ref().map_or_else(|report| report, |loaded| &loaded.warnings);
    match args.format {
        OutputFormat::Json => {
            let mut json = report.json();
            json["upstreams"] =
                loaded.as_ref().map_or_else(|_| serde_json::json!([]), |loaded| described(&loaded.settings));
            output.result(&format!("{json:#}\n"));
        }
        OutputFormat::Text => {
            output.report(report);
            if let Ok(loaded) = &loaded {
                output.result(&summary(&loaded.settings));
            }
        }
    }
    loaded.map(drop).map_err(|_| CommandFailure::said(CONFIGURATION))
}

/// Lists each upstream with the sources of its variables, where many mistakes become visible.
fn summary(settings: &Settings) -> String {
    let mut text = String::new();
    for upstream in &settings.upstreams {
        text.push_str(&format!("ok: upstream `{}`, flow `{}`\n", upstream.proxy.name, upstream.flow.name));
        let width = upstream.variables.iter().map(|variable| variable.name.len()).max().unwrap_or_default();
        for variable in &upstream.variables {
            text.push_str(&format!("  {:width$}  from {}\n", variable.name, variable.origin));
        }
    }
    text
}

fn described(settings: &Settings) -> serde_json::Value {
    let upstreams = settings.upstreams.iter().map(|upstream| {
        let origins = upstream.variables.iter().map(|one| (one.name.clone(), one.origin.clone().into()));
        let variables: serde_json::Map<_, _> = origins.collect();
        serde_json::json!({ "name": *upstream.proxy.name, "flow": *upstream.flow.name, "variables": variables })
    });
    upstreams.collect()
}
