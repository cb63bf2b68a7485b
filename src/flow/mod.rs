//! A flow is data: three HTTP sentences in, a [`Source`] and a [`Usage`] out.
//!
//! `[token]` says how to get a token, `[inject]` how to send it, `[expired]` how it dies. A [`FlowSpec`] is that as it
//! is written, with every key and name checked; [`Flow::compile`] fills its variables in. From there on nothing can be
//! misspelt, and what is left to know at the moment of a request is the subject, the token and what a login gave.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects))]

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::secret::Secret;
use crate::token::key::{RecipeWriter, StoreKey, SubjectRule};
use crate::token::patch::Owned;
use crate::token::plan::Policy;
use crate::token::source::Source;
use crate::token::usage::Usage;

mod address;
mod binder;
pub mod client;
mod compile;
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
pub use spec::{FlowEnvironment, FlowSpec, Variable};
pub use times::claims;

/// A flow with its variables filled in: everything is checked, nothing can be misspelt any more.
pub struct Flow {
    /// Its name.
    pub name: Arc<str>,
    /// The API's base URL, unless only the login's reply tells ([`crate::token::patch::Patch::base`]) or the flow has none.
    pub upstream: Option<String>,
    /// Whether the base URL comes out of the login's reply.
    pub upstream_from_login: bool,
    /// Whose token, in flows with a token per user.
    pub subject: Option<SubjectRule>,
    /// Every header, query and cookie name that the flow sets. One whose value is empty is the caller's own.
    pub owned: Owned,
    /// The pace of its token requests.
    pub policy: Arc<Policy>,
    /// How its API takes the token and says that it is dead.
    pub usage: Arc<dyn Usage>,
    /// The flow's name in a store.
    pub store_key: StoreKey,
    /// Whether it sends refresh tokens, each of which may work only once.
    pub uses_refresh_tokens: bool,
    /// Starts from a refresh token that was given, so it needs a store that lasts.
    pub needs_lasting_store: bool,
    /// Whether it makes token requests at all; `bearer`, `api-key` and `basic` make none.
    pub makes_requests: bool,
    calls: Arc<mint::Calls>,
}

impl Flow {
    /// Fills in a flow's variables: those in `values`, then what `env` (or the first environment) gives, then defaults.
    /// An empty value counts as none. `plaintext` allows `http` to other machines. Everything wrong with the values
    /// goes to `fault`; with a fault there is no flow.
    pub fn compile(
        spec: &FlowSpec,
        env: Option<&str>,
        values: &Values,
        plaintext: bool,
        fault: &mut dyn FnMut(ValueFault),
    ) -> Option<Self> {
        compile::compile(spec, env, values, plaintext, fault)
    }

    /// Puts everything that makes the flow's token into a recipe: token sections, variables and secrets used there.
    pub fn write_recipe(&self, recipe: &mut RecipeWriter) {
        self.calls.write_recipe(recipe);
    }

    /// The flow as the token core's source, asking through this client.
    pub fn source(&self, client: client::TokenClient) -> Arc<dyn Source> {
        Arc::new(mint::FlowSource { calls: self.calls.clone(), client })
    }
}

/// The values of a flow's variables, by name.
pub type Values = BTreeMap<String, Secret>;
