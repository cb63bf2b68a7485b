//! Builds an upstream with its token from its configuration.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use rustls::ClientConfig;

use crate::clock::SharedClock;
use crate::config::{Fingerprint, Settings, StoreSettings, UpstreamConfig};
use crate::flow::client::TokenClient;
use crate::proxy::{Tokens, Upstream};
use crate::record::{Journal, TokenRecord, UpstreamRecord};
use crate::tls::{self, TlsSettings};
use crate::token::handle::TokenHandle;
use crate::token::key::{Recipe, RecipeWriter, StoreKey, Subject, SubjectRule, TokenKey};
use crate::token::pool::TokenPool;
use crate::token::spec::TokenSpec;

/// How many subjects a changed secret is tried with.
const PROVERS: usize = 3;

/// What all upstreams share: the token pool, the records of each name, the TLS configurations.
pub(super) struct Builder {
    clock: SharedClock,
    pool: TokenPool,
    journal: Arc<Journal>,
    /// For the memory store: every recipe so far and its account. A grant in memory belongs to one account, and a
    /// changed secret stays with its account. Persistent stores use names without secrets, so a changed secret finds
    /// its token anyway.
    recipes: Option<Vec<(Recipe, usize)>>,
    records: HashMap<Arc<str>, (Arc<UpstreamRecord>, Arc<TokenRecord>)>,
    /// By the content of the files: equal configurations are shared, so that their connections stay usable.
    tls: HashMap<Recipe, Weak<ClientConfig>>,
}

/// A built upstream and its inputs.
pub(super) struct Built {
    pub(super) config: UpstreamConfig,
    pub(super) inputs: Fingerprint,
    pub(super) recipe: Recipe,
    pub(super) upstream: Arc<Upstream>,
    /// Tokens that a changed secret is tried with.
    pub(super) provers: Vec<TokenHandle>,
}

/// Why an upstream cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("upstream {upstream}: {message}")]
pub(super) struct BuildError {
    upstream: Arc<str>,
    message: String,
}

impl Builder {
    pub(super) fn new(clock: SharedClock, pool: TokenPool, settings: &Settings) -> Self {
        let journal = Arc::new(Journal::default());
        journal.log(settings.log.access);
        let recipes = (settings.store == StoreSettings::Memory).then(Vec::new);
        Self { clock, pool, journal, recipes, records: HashMap::new(), tls: HashMap::new() }
    }

    /// Builds an upstream. `before`: the recipe of the one that it replaces, if a secret has changed; its token must
    /// then come from a login with the new secret.
    pub(super) fn build(&mut self, config: UpstreamConfig, before: Option<Recipe>) -> Result<Built, BuildError> {
        let name = Arc::clone(&config.proxy.name);
        let failed = |message: String| BuildError { upstream: Arc::clone(&name), message };
        let inputs = config.inputs.before();
        let tls = self.tls(&config.tls).map_err(failed)?;
        let client = TokenClient::new(Arc::clone(&tls), config.proxy.outbound_proxy.as_ref(), Arc::clone(&self.clock));
        let client = client.map_err(|error| failed(error.to_string()))?;
        let recipe = Self::recipe(&config);
        let (record, token_record) = self.records(&name);
        let spec = TokenSpec {
            key: TokenKey { recipe, subject: None },
            store_key: self.store_key(&config, recipe, before),
            source: config.flow.source(client),
            policy: config.flow.policy.clone(),
            record: Arc::clone(&token_record),
            prove: before.is_some(),
        };
        let subjects = self.provers(&config, before);
        let upstream = Arc::new(Upstream {
            settings: config.proxy.clone(),
            owned: config.flow.owned.clone(),
            usage: Arc::clone(&config.flow.usage),
            tokens: self.tokens(&config, spec.clone()),
            tls,
            record,
            token_record,
        });
        let default = config.flow.subject.as_ref().and_then(|rule| rule.default.as_ref());
        let prover = |subject| self.pool.open(spec_of(default, &spec, subject));
        let mut provers: Vec<TokenHandle> = subjects.iter().map(prover).collect();
        if let (Tokens::One(handle), Some(_)) = (&upstream.tokens, before) {
            provers.push(handle.clone());
        }
        Ok(Built { config, inputs, recipe, upstream, provers })
    }

    /// The subjects that a changed secret is tried with: the default one, and some with a valid token. Several, because
    /// each may have been deleted at the vendor.
    fn provers(&self, config: &UpstreamConfig, before: Option<Recipe>) -> Vec<Subject> {
        let Some((SubjectRule { default, .. }, before)) = config.flow.subject.as_ref().zip(before) else {
            return Vec::new();
        };
        let well =
            self.pool.subjects_of(before, PROVERS).into_iter().filter(|subject| Some(subject) != default.as_ref());
        default.iter().cloned().chain(well).collect()
    }

    /// Whether a subject's token of this recipe is in use and valid.
    pub(super) fn has_subjects(&self, recipe: Recipe) -> bool {
        !self.pool.subjects_of(recipe, 1).is_empty()
    }

    /// Everything that makes the token: flow and variables, client certificate, root certificates, outbound proxy. Files
    /// count by content.
    pub(super) fn recipe(config: &UpstreamConfig) -> Recipe {
        let mut recipe = RecipeWriter::default();
        config.flow.write_recipe(&mut recipe);
        write_tls(&mut recipe, &config.tls);
        config.proxy.outbound_proxy.iter().for_each(|proxy| {
            recipe.secret("proxy", proxy.url());
        });
        recipe.finish()
    }

    fn tls(&mut self, settings: &TlsSettings) -> Result<Arc<ClientConfig>, String> {
        let mut recipe = RecipeWriter::default();
        write_tls(&mut recipe, settings);
        let digest = recipe.finish();
        if let Some(known) = self.tls.get(&digest).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let made = tls::client_config(settings).map_err(|error| error.to_string())?;
        self.tls.retain(|_, known| known.strong_count() > 0);
        self.tls.insert(digest, Arc::downgrade(&made));
        Ok(made)
    }

    fn store_key(&mut self, config: &UpstreamConfig, recipe: Recipe, before: Option<Recipe>) -> StoreKey {
        let name = &config.flow.store_key;
        let Some(recipes) = &mut self.recipes else { return name.clone() };
        let account = |of| recipes.iter().find(|(known, _)| *known == of).map(|(_, account)| *account);
        let known = account(recipe);
        let number = known.or_else(|| before.and_then(account)).unwrap_or(recipes.len());
        if known.is_none() {
            recipes.push((recipe, number));
        }
        name.numbered(number)
    }

    fn tokens(&self, config: &UpstreamConfig, spec: TokenSpec) -> Tokens {
        let Some(rule) = config.flow.subject.clone() else { return Tokens::One(self.pool.open(spec)) };
        let (pool, default) = (self.pool.clone(), rule.default.clone());
        // The changed secret has worked by then, so a subject starts with its stored token, if there is one.
        let spec = TokenSpec { prove: false, ..spec };
        let open = move |subject: &Subject| pool.open(spec_of(default.as_ref(), &spec, subject));
        Tokens::PerSubject { rule, open: Arc::new(open) }
    }

    fn records(&mut self, name: &Arc<str>) -> (Arc<UpstreamRecord>, Arc<TokenRecord>) {
        let journal = &self.journal;
        let fresh = || {
            let record = UpstreamRecord::within(Arc::clone(journal), Arc::clone(name));
            (record.into(), TokenRecord::new(Arc::clone(name)).into())
        };
        self.records.entry(Arc::clone(name)).or_insert_with(fresh).clone()
    }
}

/// The spec of a subject's token.
fn spec_of(default: Option<&Subject>, spec: &TokenSpec, subject: &Subject) -> TokenSpec {
    let key = TokenKey { recipe: spec.key.recipe, subject: Some(subject.clone()) };
    let mut spec = TokenSpec { key, store_key: spec.store_key.with_subject(subject), ..spec.clone() };
    // The default subject's token counts for readiness, so it is renewed even without use.
    if default == Some(subject) {
        Arc::make_mut(&mut spec.policy).while_used = false;
    }
    spec
}

/// Adds the TLS settings; files count by content.
fn write_tls(recipe: &mut RecipeWriter, settings: &TlsSettings) {
    let TlsSettings { ca, identity, server_name } = settings;
    let identity = identity.iter().flat_map(|(cert, key)| [("cert", cert), ("key", key)]);
    for (name, file) in ca.iter().map(|file| ("ca", file)).chain(identity) {
        recipe.part(name, &file.content);
    }
    server_name.iter().for_each(|name| {
        recipe.part("server_name", name.as_bytes());
    });
}
