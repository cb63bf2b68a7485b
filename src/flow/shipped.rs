//! The flows that ship: `config/flows/*.toml`, embedded in the binary.

use std::sync::OnceLock;

use super::FlowSpec;
use crate::document::{Document, Layer, Problem, Problems};

/// A flow in the binary, read when somebody asks for it.
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

/// Their names, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|shipped| shipped.name)
}

/// One of them.
pub fn get(name: &str) -> Option<&'static FlowSpec> {
    let shipped = ALL.iter().find(|shipped| shipped.name == name)?;
    shipped.spec.get_or_init(|| read(shipped.name, shipped.text).ok()).as_ref()
}

/// The text of one of them, to show or to start an own flow from.
pub fn text(name: &str) -> Option<&'static str> {
    ALL.iter().find(|shipped| shipped.name == name).map(|shipped| shipped.text)
}

/// A flow out of a text, or all that is wrong with it.
fn read(name: &str, text: &str) -> Result<FlowSpec, Vec<Problem>> {
    let layer = Layer::toml(format!("{name}.toml"), text).map_err(|problem| vec![problem])?;
    let document = Document::merge([layer]);
    let problems = Problems::default();
    let spec = FlowSpec::read(Some(name), &document.root(), &problems);
    spec.ok_or_else(|| problems.into_sorted())
}

#[cfg(test)]
mod tests;
