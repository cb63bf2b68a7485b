//! What people wrote, whichever layer it came from: a tree whose every value knows its file and line.
//!
//! Reading is typed and never stops: a wrong value becomes a [`Problem`] and `None`, so that all problems come at once.
//! A table remembers which keys it was asked for; the rest are unknown, and the asked ones are what the writer may have
//! meant.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects))]

mod hint;
mod kind;
mod layer;
mod node;
mod problem;
mod quantity;
mod table;
#[cfg(test)]
mod tests;

pub use hint::{maybe_variable, placeholder};
pub use kind::ValueKind;
pub use layer::Layer;
pub use node::Node;
pub use problem::{Level, Place, Problem, Problems, nearest};
pub use quantity::duration;
pub use table::Table;

use figment::Figment;
use figment::value::{Dict, Value};

use layer::LayerSource;

/// All layers as one tree; where two of them set a key, the later one wins.
#[derive(Debug)]
pub struct Document {
    figment: Figment,
    root: Value,
    sources: Vec<LayerSource>,
}

impl Document {
    /// Merges the layers in order.
    pub fn merge(layers: impl IntoIterator<Item = Layer>) -> Self {
        let mut figment = Figment::new();
        let mut sources = Vec::new();
        for layer in layers {
            let (provider, source) = layer.into_parts(sources.len());
            figment = figment.merge(provider);
            sources.push(source);
        }
        let root = figment.find_value("").unwrap_or_else(|_| Value::from(Dict::new()));
        Self { figment, root, sources }
    }

    /// The outermost table.
    pub fn root(&self) -> Node<'_> {
        Node::root(self)
    }

    /// The layer that a value came from. Figment gives each its own tag; its metadata carries our index as name.
    fn source(&self, value: &Value) -> Option<&LayerSource> {
        self.sources.get(self.layer(value)?)
    }

    fn layer(&self, value: &Value) -> Option<usize> {
        self.figment.get_metadata(value.tag())?.name.parse().ok()
    }

    /// Where a key was written: in the layer that its value came from, else in the last that has it.
    fn place(&self, value: &Value, path: &[String]) -> Place {
        let own = self.source(value).filter(|source| source.has(path));
        match own.or_else(|| self.sources.iter().rev().find(|source| source.has(path))) {
            Some(source) => source.place(path),
            None => self.source(value).map_or_else(Place::default, |source| source.place(path)),
        }
    }
}
