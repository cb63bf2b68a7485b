//! One upstream in service, and the one that would like to take its place.
//!
//! Credentials that changed must prove themselves, whichever way they came: by a file, or by a configuration that was read
//! again. The upstream with the new ones waits beside the old one until it has a token. What callers see of it (listener,
//! path, access) changes at once; what the API sees (URL, headers, token) changes as a whole, so that an API never gets
//! another one's token or header.

use std::sync::Arc;

use super::build::{BuildError, Builder, Built};
use super::view::UpstreamView;
use crate::admin::AdminUpstream;
use crate::config::{Fingerprint, Inputs, UpstreamConfig};
use crate::proxy::settings::UpstreamSettings;
use crate::proxy::{Tokens, Upstream};
use crate::token::handle::TokenHandle;
use crate::token::status::State;

/// One upstream: what serves now, and what would like to.
pub(super) struct Service {
    pub(super) now: Built,
    view: Arc<UpstreamView>,
    next: Option<Trial>,
}

/// An upstream whose credentials are being tried.
struct Trial {
    number: u64,
    built: Built,
    view: Arc<UpstreamView>,
}

/// An upstream that was built, and how it comes into service.
pub(super) enum Planned {
    /// At once.
    AtOnce(Built),
    /// When its credentials have worked.
    OnProof(Built),
}

impl Planned {
    /// Builds one. `before` is the one with its name that is in service.
    pub(super) fn build(
        builder: &mut Builder,
        config: UpstreamConfig,
        before: Option<&Service>,
    ) -> Result<Self, BuildError> {
        let recipe = Builder::recipe(&config)?;
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

    /// Whether a token would be lost with it: one that can be used, or could be again once its endpoint answers.
    fn has_token(&self, builder: &Builder) -> bool {
        let held = self.view.standing();
        let worth = held.is_some_and(|status| status.generation.is_some() && status.state != State::Rejected);
        worth || builder.has_subjects(self.now.recipe)
    }

    /// Lets this one wait for its first token. Gives back what proves it; `number` is its name until then.
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

    /// Takes the one with this number into service, if it is still the one that waits.
    pub(super) fn take_next(&mut self, number: u64) -> bool {
        let Some(Trial { built, view, .. }) = self.next.take_if(|next| next.number == number) else { return false };
        (self.now, self.view) = (built, view);
        true
    }

    /// The number of the one that waits.
    pub(super) fn waiting(&self) -> Option<u64> {
        self.next.as_ref().map(|next| next.number)
    }

    /// What of the one that waits could not be learned yet: it has had neither a token nor an error.
    pub(super) fn is_silent(&self) -> bool {
        self.next.is_some() && self.view.is_trial_silent()
    }

    /// The files that it was last read from.
    pub(super) fn files(&self) -> &Inputs {
        &self.last().config.inputs
    }

    /// The files as they were when they were last read.
    pub(super) fn looked_at(&self) -> &Fingerprint {
        &self.last().inputs
    }

    fn last(&self) -> &Built {
        self.next.as_ref().map_or(&self.now, |next| &next.built)
    }

    /// The files say nothing that could be used: what waits is not what is written any more.
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

/// What callers see of the one, what the API sees of the other.
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
