//! A flow as it is written: the whole vocabulary, checked where it stands, with its variables still open.

use std::time::Duration;

use http::HeaderName;

use super::reply::ReplyReader;
use super::request::TokenRequest;
use super::template::Template;
use super::usage::expired::Expired;
use super::usage::inject::Inject;

mod read;
#[cfg(test)]
mod tests;
mod vars;

/// A flow before its variables are known.
#[derive(Clone)]
pub struct FlowSpec {
    pub(super) name: String,
    pub(super) about: Option<String>,
    pub(super) docs: Option<String>,
    pub(super) variables: Vec<Variable>,
    pub(super) environments: Vec<FlowEnvironment>,
    pub(super) upstream: Option<Template>,
    pub(super) hosts: Vec<Template>,
    pub(super) subject: Option<SubjectSpec>,
    pub(super) token: Option<CallSpec>,
    pub(super) refresh: Option<CallSpec>,
    pub(super) revoke: Option<RevokeSpec>,
    pub(super) captures: Vec<String>,
    pub(super) inject: Inject,
    pub(super) expired: Expired,
    pub(super) policy: PolicySpec,
}

/// Something that a flow wants to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variable {
    /// Its name, in `with` and in `${…}`.
    pub name: String,
    /// One line about it.
    pub about: Option<String>,
    /// What it is when nobody says; may name other variables.
    pub default: Option<String>,
    /// Whether the flow is useless without it.
    pub required: bool,
    /// Whether it is a credential.
    pub secret: bool,
    /// Whether the flow's environments give it.
    pub environment: bool,
}

/// A named set of variables, of which the user picks one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowEnvironment {
    /// Its name.
    pub name: String,
    /// What it gives, by name; a value may name other variables.
    pub values: Vec<(String, String)>,
}

/// Tokens per user.
#[derive(Clone)]
pub(super) struct SubjectSpec {
    pub(super) header: HeaderName,
    pub(super) pattern: String,
    pub(super) default: Option<Template>,
    pub(super) idle: Option<Template>,
    pub(super) max: usize,
}

/// A request that gives a token.
#[derive(Clone)]
pub(super) struct CallSpec {
    pub(super) request: TokenRequest,
    pub(super) read: ReplyReader,
    pub(super) ttl: Option<Template>,
}

/// The request that ends a token.
#[derive(Clone)]
pub(super) struct RevokeSpec {
    pub(super) request: TokenRequest,
    pub(super) at_shutdown: bool,
}

/// The pace of token requests.
#[derive(Clone, Default)]
pub(super) struct PolicySpec {
    pub(super) margin: Option<Template>,
    pub(super) min_interval: Option<Template>,
    pub(super) exclusive: bool,
    pub(super) hold: Option<Template>,
}

/// Subjects are dropped after this, unless the flow says otherwise.
pub(super) const SUBJECT_IDLE: Duration = Duration::from_secs(30 * 60);

impl FlowSpec {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line about it.
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// Where its API is described.
    pub fn docs(&self) -> Option<&str> {
        self.docs.as_deref()
    }

    /// What it wants to be told, in the order of writing; those that only environments give come last.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Its environments; the first is the default.
    pub fn environments(&self) -> &[FlowEnvironment] {
        &self.environments
    }

    /// Whether it knows where its API is, or learns it at the login.
    pub fn has_upstream(&self) -> bool {
        self.upstream.is_some()
    }

    /// Every template whose value decides which token comes back. Flows that ask for none send their variables, so
    /// there it is what they inject.
    pub(super) fn token_templates(&self) -> Vec<&Template> {
        let calls = self.token.iter().chain(&self.refresh).map(|call| &call.request);
        let requests: Vec<_> = calls.chain(self.revoke.iter().map(|revoke| &revoke.request)).collect();
        if requests.is_empty() {
            return self.inject.parts.templates();
        }
        requests.into_iter().flat_map(TokenRequest::templates).collect()
    }

    /// Whether it starts from a refresh token that was given, and so needs a store that lasts.
    pub fn starts_from_refresh_token(&self) -> bool {
        self.token.is_none() && self.refresh.is_some()
    }
}
