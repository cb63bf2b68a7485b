//! An upstream in service, and a candidate that may replace it.
//!
//! Changed credentials must work before they are used, whether a file or a reload changed them. The candidate waits
//! beside the current upstream until it has a token. What callers see (listener, path, access) changes at once. What
//! the API sees (URL, headers, token) changes all together, so that an API never gets a token or header of another one.

use std::sync::Arc;

use super::super::build::{BuildError, Builder, Built};
use super::super::view::UpstreamView;
use crate::admin::AdminUpstream;
use crate::config::{Fingerprint, Inputs, UpstreamConfig};
use crate::proxy::settings::UpstreamSettings;
use crate::proxy::{Tokens, Upstream};
use crate::token::handle::TokenHandle;
use crate::token::status::State;

/// One upstream: the current one, and the candidate.
pub(super) struct Service {
    pub(super) now: Built,
    view: Arc<UpstreamView>,
    next: Option<Trial>,
}

/// A candidate whose credentials are being tried.
struct Trial {
    number: u64,
    built: Built,
    view: Arc<UpstreamView>,
}

/// A built upstream, and how it comes into service.
pub(super) enum Planned {
    /// At once.
    AtOnce(Built),
    /// Once its credentials have worked.
    OnProof(Built),
}

impl Planned {
    /// Builds an upstream. `before`: the one with its name in service.
    pub(super) fn build(
        builder: &mut Builder,
        config: UpstreamConfig,
        before: Option<&Service>,
    ) -> Result<Self, BuildError> {
        let recipe = Builder::recipe(&config);
        let kept = before.filter(|before| before.now.recipe != recipe && before.has_token(builder));
        match kept {
            Some(before) => builder.build(config, Some(before.now.recipe)).map(Self::OnProof),
            None => builder.build(config, None).map(Self::AtOnce),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        let (Self::AtOnce(built) | Self::OnProof(built)) = self;
        &built.config.proxy.name
    }
}

impl Service {
    pub(super) fn of(now: Built) -> Self {
        let view = Arc::new(UpstreamView::new(Arc::clone(&now.upstream)));
        Self { now, view, next: None }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.now.config.proxy.name
    }

    /// Whether it has a token that is valid, or could be renewed once its endpoint responds.
    fn has_token(&self, builder: &Builder) -> bool {
        let held = self.view.standing();
        let worth = held.is_some_and(|status| status.generation.is_some() && status.state != State::Rejected);
        worth || builder.has_subjects(self.now.recipe)
    }

    /// Makes this the candidate until its first token. Returns the tokens to wait for. `number` identifies the
    /// candidate.
    pub(super) fn try_out(&mut self, built: Built, number: u64) -> Vec<TokenHandle> {
        let (now, next) = (&mut self.now.config, &built.config);
        now.proxy = facing_callers(&next.proxy, &now.proxy);
        now.required = next.required;
        self.now.upstream = Arc::new(with_settings(&self.now.upstream, now.proxy.clone()));
        self.view = Arc::new(UpstreamView::new(Arc::clone(&self.now.upstream)));
        self.view.set_trial(built.provers.clone());
        let view = Arc::new(UpstreamView::new(Arc::clone(&built.upstream)));
        let provers = built.provers.clone();
        self.next = Some(Trial { number, built, view });
        provers
    }

    /// Puts the candidate with this number into service, if it is still the candidate.
    pub(super) fn take_next(&mut self, number: u64) -> bool {
        let Some(Trial { built, view, .. }) = self.next.take_if(|next| next.number == number) else { return false };
        (self.now, self.view) = (built, view);
        true
    }

    /// The number of the candidate.
    pub(super) fn waiting(&self) -> Option<u64> {
        self.next.as_ref().map(|next| next.number)
    }

    /// Whether the candidate has had neither a token nor an error.
    pub(super) fn is_silent(&self) -> bool {
        self.next.is_some() && self.view.is_trial_silent()
    }

    pub(super) fn files(&self) -> &Inputs {
        &self.last().config.inputs
    }

    /// The state of the files when they were last read.
    pub(super) fn looked_at(&self) -> &Fingerprint {
        &self.last().inputs
    }

    fn last(&self) -> &Built {
        self.next.as_ref().map_or(&self.now, |next| &next.built)
    }

    /// Records the state of files that cannot be used, and drops the candidate.
    pub(super) fn set_looked_at(&mut self, seen: Fingerprint) {
        if let Some(next) = self.next.take() {
            self.now.config.inputs = next.built.config.inputs;
        }
        self.view.set_trial(Vec::new());
        self.now.inputs = seen;
    }

    pub(super) fn shown(&self) -> AdminUpstream {
        let config = &self.now.config;
        AdminUpstream {
            name: Arc::clone(&config.proxy.name),
            listen: config.proxy.listen.to_string(),
            url: config.proxy.base.as_ref().map(ToString::to_string),
            flow: config.flow.name.to_string(),
            required: config.required,
            record: Arc::clone(&self.now.upstream.record),
            token_record: Arc::clone(&self.now.upstream.token_record),
            tokens: Arc::clone(&self.view) as _,
        }
    }
}

/// Combines what callers see of one with what the API sees of the other.
fn facing_callers(callers: &UpstreamSettings, api: &UpstreamSettings) -> UpstreamSettings {
    UpstreamSettings {
        listen: callers.listen.clone(),
        matches: callers.matches.clone(),
        remove_headers: callers.remove_headers.clone(),
        timeouts: callers.timeouts.clone(),
        retry: callers.retry.clone(),
        access: callers.access.clone(),
        ..api.clone()
    }
}

fn with_settings(upstream: &Upstream, settings: UpstreamSettings) -> Upstream {
    let tokens = match &upstream.tokens {
        Tokens::One(handle) => Tokens::One(handle.clone()),
        Tokens::PerSubject { rule, open } => Tokens::PerSubject { rule: rule.clone(), open: Arc::clone(open) },
    };
    Upstream {
        settings,
        owned: upstream.owned.clone(),
        usage: Arc::clone(&upstream.usage),
        tokens,
        tls: Arc::clone(&upstream.tls),
        record: Arc::clone(&upstream.record),
        token_record: Arc::clone(&upstream.token_record),
    }
}
