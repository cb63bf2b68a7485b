//! Configuration as a tree in which every value knows its file and line, whichever layer it came from.
//!
//! Reading is typed and never stops: a wrong value becomes a [`Problem`] and `None`, so that all problems are reported
//! at once. A table records the keys that were read. All others are unknown, and the keys that were read are the
//! suggestions for them.
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

/// All layers merged into one tree. Later layers win.
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

    /// The root table.
    pub fn root(&self) -> Node<'_> {
        Node::root(self)
    }

    /// The layer of a value. figment gives each layer a tag, whose metadata has our index as its name.
    fn source(&self, value: &Value) -> Option<&LayerSource> {
        self.sources.get(self.layer(value)?)
    }

    fn layer(&self, value: &Value) -> Option<usize> {
        self.figment.get_metadata(value.tag())?.name.parse().ok()
    }

    /// Where a key was written: in the layer of its value, else in the last layer that has it.
    fn place(&self, value: &Value, path: &[String]) -> Place {
        let own = self.source(value).filter(|source| source.has(path));
        match own.or_else(|| self.sources.iter().rev().find(|source| source.has(path))) {
            Some(source) => source.place(path),
            None => self.source(value).map_or_else(Place::default, |source| source.place(path)),
        }
    }
}
