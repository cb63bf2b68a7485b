//! A flow that can be used.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::TokenClient;
use super::mint::{Calls, FlowSource};
use crate::secret::Secret;
use crate::token::key::{RecipeWriter, StoreKey, SubjectRule};
use crate::token::patch::Owned;
use crate::token::plan::Policy;
use crate::token::source::Source;
use crate::token::usage::Usage;

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
    pub(super) calls: Arc<Calls>,
}

impl Flow {
    /// Puts everything that makes the flow's token into a recipe: token sections, variables and secrets used there.
    pub fn write_recipe(&self, recipe: &mut RecipeWriter) {
        self.calls.write_recipe(recipe);
    }

    /// The flow as the token core's source, asking through this client.
    pub fn source(&self, client: TokenClient) -> Arc<dyn Source> {
        Arc::new(FlowSource { calls: self.calls.clone(), client })
    }
}

/// The values of a flow's variables, by name.
pub type Values = BTreeMap<String, Secret>;
