//! One upstream's configuration becomes an upstream with a token.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::clock::SharedClock;
use crate::config::{Fingerprint, Settings, StoreSettings, UpstreamConfig};
use crate::flow::client::TokenClient;
use crate::proxy::{Tokens, Upstream};
use crate::record::{Journal, TokenRecord, UpstreamRecord};
use crate::tls::{self, TlsSettings};
use crate::token::key::{Recipe, RecipeWriter, StoreKey, Subject, TokenKey};
use crate::token::pool::{TokenPool, TokenSpec};

/// What outlives a single upstream: the tokens, the records of each name, the TLS configurations.
pub(super) struct Builder {
    clock: SharedClock,
    pool: TokenPool,
    journal: Arc<Journal>,
    /// Every recipe so far, where the store does not outlive the process: a grant in memory is its recipe's alone. A
    /// store that lasts is asked by names without secrets, so that a changed secret finds its token there.
    recipes: Option<Vec<Recipe>>,
    records: HashMap<Arc<str>, (Arc<UpstreamRecord>, Arc<TokenRecord>)>,
}

/// An upstream in service, and what it was made of.
pub(super) struct Built {
    pub(super) config: UpstreamConfig,
    pub(super) inputs: Fingerprint,
    pub(super) recipe: Recipe,
    pub(super) upstream: Arc<Upstream>,
}

/// Why an upstream cannot be built: a file that was there when it was checked.
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
        Self { clock, pool, journal, recipes, records: HashMap::new() }
    }

    /// Builds one. `prove`: a secret has changed, so its token must come from a login with the new one.
    pub(super) fn build(&mut self, config: UpstreamConfig, prove: bool) -> Result<Built, BuildError> {
        let name = Arc::clone(&config.proxy.name);
        let failed = |message: String| BuildError { upstream: Arc::clone(&name), message };
        // Taken before the files are read: a change in between is then seen as one, never missed.
        let inputs = config.inputs.fingerprint();
        let tls = tls::client_config(&config.tls).map_err(|error| failed(error.to_string()))?;
        let client = TokenClient::new(Arc::clone(&tls), config.outbound_proxy.as_ref(), Arc::clone(&self.clock));
        let client = client.map_err(|error| failed(error.to_string()))?;
        let recipe = recipe(&config).map_err(|error| failed(error.to_string()))?;
        let (record, token_record) = self.records(&name);
        let spec = TokenSpec {
            key: TokenKey { recipe, subject: None },
            store_key: self.store_key(&config, recipe),
            source: config.flow.source(client),
            policy: config.flow.policy.clone(),
            record: Arc::clone(&token_record),
            prove,
        };
        let upstream = Arc::new(Upstream {
            settings: config.proxy.clone(),
            owned: config.flow.owned.clone(),
            usage: Arc::clone(&config.flow.usage),
            tokens: self.tokens(&config, spec),
            tls,
            record,
            token_record,
        });
        Ok(Built { config, inputs, recipe, upstream })
    }

    fn store_key(&mut self, config: &UpstreamConfig, recipe: Recipe) -> StoreKey {
        let name = &config.flow.store_key;
        let Some(recipes) = &mut self.recipes else { return name.clone() };
        let number = recipes.iter().position(|known| *known == recipe).unwrap_or_else(|| {
            recipes.push(recipe);
            recipes.len() - 1
        });
        name.numbered(number)
    }

    fn tokens(&self, config: &UpstreamConfig, spec: TokenSpec) -> Tokens {
        let Some(rule) = config.flow.subject.clone() else { return Tokens::One(self.pool.open(spec)) };
        let (pool, default) = (self.pool.clone(), rule.default.clone());
        let open = move |subject: &Subject| {
            let key = TokenKey { recipe: spec.key.recipe, subject: Some(subject.clone()) };
            let mut spec = TokenSpec { key, store_key: spec.store_key.with_subject(subject), ..spec.clone() };
            // The default subject's token counts for readiness, so it is kept fresh whether it is used or not.
            spec.policy.while_used &= default.as_ref() != Some(subject);
            pool.open(spec)
        };
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

/// Everything that makes the token: flow and variables, client certificate, roots, the way out. Files count by content.
fn recipe(config: &UpstreamConfig) -> std::io::Result<Recipe> {
    let TlsSettings { ca, identity, server_name } = &config.tls;
    let mut recipe = RecipeWriter::default();
    config.flow.write_recipe(&mut recipe);
    let mut file = |name: &str, path: &Path| std::fs::read(path).map(|bytes| recipe.part(name, &bytes)).map(|_| ());
    ca.iter().try_for_each(|path| file("ca", path))?;
    if let Some((cert, key)) = identity {
        file("cert", cert)?;
        file("key", key)?;
    }
    server_name.iter().for_each(|name| {
        recipe.part("server_name", name.as_bytes());
    });
    config.outbound_proxy.iter().for_each(|proxy| {
        recipe.secret("proxy", &proxy.url);
    });
    Ok(recipe.finish())
}
