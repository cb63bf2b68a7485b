//! The description of a flow as written: the whole vocabulary, checked, with its variables still open.

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

/// A flow before its variables are filled in.
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

/// A variable of a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variable {
    /// Its name in `with` and in `${…}`.
    pub name: String,
    /// A one-line description.
    pub about: Option<String>,
    /// Its default, which may use other variables.
    pub default: Option<String>,
    /// Whether it is required.
    pub required: bool,
    pub secret: bool,
    /// Whether the flow's environments set it.
    pub environment: bool,
}

/// A named set of variables that the user can select.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowEnvironment {
    pub name: String,
    /// Its values by name, which may use other variables.
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

/// A token request.
#[derive(Clone)]
pub(super) struct CallSpec {
    pub(super) request: TokenRequest,
    pub(super) read: ReplyReader,
    pub(super) ttl: Option<Template>,
}

/// A revocation request.
#[derive(Clone)]
pub(super) struct RevokeSpec {
    pub(super) request: TokenRequest,
    pub(super) at_shutdown: bool,
}

/// How often tokens are requested.
#[derive(Clone, Default)]
pub(super) struct PolicySpec {
    pub(super) margin: Option<Template>,
    pub(super) min_interval: Option<Template>,
    pub(super) exclusive: bool,
    pub(super) hold: Option<Template>,
}

/// The default time after which idle subjects are dropped.
pub(super) const SUBJECT_IDLE: Duration = Duration::from_secs(30 * 60);

impl FlowSpec {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A one-line description.
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// The URL of the API's documentation.
    pub fn docs(&self) -> Option<&str> {
        self.docs.as_deref()
    }

    /// Its variables in the order of writing; those that only environments set come last.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The environments; the first is the default.
    pub fn environments(&self) -> &[FlowEnvironment] {
        &self.environments
    }

    /// Whether the flow or the login's reply names the API's base URL.
    pub fn has_upstream(&self) -> bool {
        self.upstream.is_some()
    }

    /// Every template that determines the token. In flows without a token request, that is what they inject.
    pub(super) fn token_templates(&self) -> Vec<&Template> {
        let calls = self.token.iter().chain(&self.refresh).map(|call| &call.request);
        let requests: Vec<_> = calls.chain(self.revoke.iter().map(|revoke| &revoke.request)).collect();
        if requests.is_empty() {
            return self.inject.parts.templates();
        }
        requests.into_iter().flat_map(TokenRequest::templates).collect()
    }

    /// Whether it starts from a given refresh token, and so needs a persistent store.
    pub fn starts_from_refresh_token(&self) -> bool {
        self.token.is_none() && self.refresh.is_some()
    }
}
