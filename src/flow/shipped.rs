//! The built-in flows: `config/flows/*.toml`, embedded in the binary.

use std::sync::OnceLock;

use super::FlowSpec;
use crate::document::{Document, Layer, Problem, Problems};

/// A built-in flow, parsed on first use.
struct Shipped {
    name: &'static str,
    text: &'static str,
    spec: OnceLock<Option<FlowSpec>>,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(Shipped {
            name: $name,
            text: include_str!(concat!("../../config/flows/", $name, ".toml")),
            spec: OnceLock::new(),
        }),*]
    };
}

static ALL: [Shipped; 12] = shipped![
    "api-key",
    "basic",
    "bearer",
    "dnb-europe",
    "oauth2",
    "oauth2-password",
    "oauth2-post",
    "oauth2-refresh",
    "simacan",
    "yodlee",
    "younium",
    "younium-v1",
];

pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|shipped| shipped.name)
}

pub fn get(name: &str) -> Option<&'static FlowSpec> {
    let shipped = ALL.iter().find(|shipped| shipped.name == name)?;
    shipped.spec.get_or_init(|| read(shipped.name, shipped.text).ok()).as_ref()
}

/// The source of a built-in flow.
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|shipped| shipped.name == name).map(|shipped| shipped.text)
}

/// Parses a flow, or returns all its problems.
fn read(name: &str, text: &str) -> Result<FlowSpec, Vec<Problem>> {
    let layer = Layer::toml(format!("{name}.toml"), text).map_err(|problem| vec![problem])?;
    let document = Document::merge([layer]);
    let problems = Problems::default();
    let spec = FlowSpec::read(Some(name), &document.root(), &problems);
    spec.ok_or_else(|| problems.into_sorted())
}

#[cfg(test)]
mod tests;
