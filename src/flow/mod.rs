//! A flow is data: three HTTP sentences in, a [`Source`] and a [`Usage`] out.
//!
//! `[token]` says how to get a token, `[inject]` how to send it, `[expired]` how it dies. A [`FlowSpec`] is that as it
//! is written, with every key and name checked; [`Flow::compile`] fills its variables in. From there on nothing can be
//! misspelt, and what is left to know at the moment of a request is the subject, the token and what a login gave.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects))]

mod address;
mod binder;
pub mod client;
mod compile;
mod compiled;
mod expired;
mod inject;
mod instead;
mod locate;
mod mask;
mod mint;
mod reader;
mod refusal;
mod reply;
mod request;
mod shape;
pub mod shipped;
mod spec;
mod template;
mod times;

pub use binder::ValueFault;
pub use compiled::{Flow, Values};
pub use spec::{FlowEnvironment, FlowSpec, Variable};
pub use times::claims;
