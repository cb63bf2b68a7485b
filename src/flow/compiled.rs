//! A compiled flow.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::TokenClient;
use super::mint::{Calls, FlowSource};
use crate::endpoint::{self, Base};
use crate::secret::Secret;
use crate::token::key::{RecipeWriter, StoreKey, SubjectRule};
use crate::token::patch::Owned;
use crate::token::plan::Policy;
use crate::token::source::Source;
use crate::token::usage::Usage;

/// A flow with its variables filled in and checked.
pub struct Flow {
    pub name: Arc<str>,
    /// The API's base URL; `None` if only the login's reply names it ([`crate::token::patch::Patch::base`]) or the flow
    /// has none.
    pub upstream: Option<String>,
    /// Whether the login's reply names the base URL.
    pub upstream_from_login: bool,
    /// How a request names its user, in flows with a token per user.
    pub subject: Option<SubjectRule>,
    /// The names of the headers, query parameters and cookies that the flow sets. Those with an empty value are left to
    /// the caller.
    pub owned: Owned,
    /// How often it requests tokens.
    pub policy: Arc<Policy>,
    /// How its API receives the token and reports that it has expired.
    pub usage: Arc<dyn Usage>,
    /// The token's name in a store.
    pub store_key: StoreKey,
    /// Whether it sends refresh tokens, which may work only once.
    pub uses_refresh_tokens: bool,
    /// Whether it starts from a given refresh token, and so needs a persistent store.
    pub needs_lasting_store: bool,
    /// Whether it makes token requests; `bearer`, `api-key` and `basic` make none.
    pub makes_requests: bool,
    pub(super) calls: Arc<Calls>,
}

impl Flow {
    /// Adds everything that makes the flow's token to a recipe: token sections, and the variables and secrets used
    /// there.
    pub fn write_recipe(&self, recipe: &mut RecipeWriter) {
        self.calls.write_recipe(recipe);
    }

    /// Host and port of its token requests, as far as no reply decides them.
    pub fn token_hosts(&self) -> Vec<(String, u16)> {
        let Calls { token, refresh, revoke, .. } = &*self.calls;
        let requests = token.iter().chain(refresh).map(|call| &call.request).chain(revoke);
        let urls = requests.filter_map(|request| endpoint::parse(request.url.as_text()?, true).ok());
        urls.filter_map(|mut url| {
            url.set_query(None);
            Base::of(&url).ok().map(|base| (base.host, base.port))
        })
        .collect()
    }

    /// The flow as a source for the token core.
    pub fn source(&self, client: TokenClient) -> Arc<dyn Source> {
        Arc::new(FlowSource { calls: self.calls.clone(), client })
    }
}

pub type Values = BTreeMap<String, Secret>;
