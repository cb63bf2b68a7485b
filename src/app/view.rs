//! The tokens of one upstream, as admin sees them.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::admin::{SubjectError, TokenView};
use crate::proxy::{Tokens, Upstream};
use crate::token::handle::TokenHandle;
use crate::token::source::BoxFuture;
use crate::token::status::{Forced, LastError, State, Status};

/// An upstream's tokens. Opens the default subject's token, so that it is available before the first request.
pub(super) struct UpstreamView {
    upstream: Arc<Upstream>,
    standing: Option<TokenHandle>,
    /// The tokens of a candidate.
    trial: ArcSwap<Vec<TokenHandle>>,
}

impl UpstreamView {
    pub(super) fn new(upstream: Arc<Upstream>) -> Self {
        let standing = match &upstream.tokens {
            Tokens::One(handle) => Some(handle.clone()),
            Tokens::PerSubject { rule, open } => rule.default.as_ref().map(|subject| open(subject)),
        };
        Self { upstream, standing, trial: ArcSwap::default() }
    }

    /// Sets the tokens of a candidate. While it fails, the upstream is degraded.
    pub(super) fn set_trial(&self, provers: Vec<TokenHandle>) {
        self.trial.store(Arc::new(provers));
    }

    /// The status of its own token, regardless of a candidate.
    pub(super) fn standing(&self) -> Option<Status> {
        self.standing.as_ref().map(TokenHandle::status)
    }

    /// Whether the candidate has had no answer yet.
    pub(super) fn is_trial_silent(&self) -> bool {
        self.trial.load().iter().all(|handle| handle.status().state == State::Starting)
    }

    fn handle(&self, subject: Option<&str>) -> Result<TokenHandle, SubjectError> {
        match (&self.upstream.tokens, subject) {
            (Tokens::One(_), Some(_)) => Err(SubjectError::Invalid),
            (_, None) => self.standing.clone().ok_or(SubjectError::Missing),
            (Tokens::PerSubject { rule, open }, Some(name)) => {
                let subject = rule.pattern.subject(name).ok_or(SubjectError::Invalid)?;
                Ok(open(&subject))
            }
        }
    }
}

impl TokenView for UpstreamView {
    fn status(&self) -> Option<Status> {
        let status = self.standing();
        let failed = self.trial.load().iter().map(TokenHandle::status).find(|trial| trial.last_error.is_some());
        let Some(trial) = failed else { return status };
        let status = status.unwrap_or(Status { state: State::Fresh, ..trial.clone() });
        let state = if status.state == State::Fresh { State::Degraded } else { status.state };
        let told = |error: LastError| LastError {
            message: format!("no token with the changed secret, the old one stays in use: {}", error.message),
            ..error
        };
        let last_error = status.last_error.or(trial.last_error.map(told));
        Some(Status { state, last_error, ..status })
    }

    fn subjects(&self) -> Option<u64> {
        matches!(self.upstream.tokens, Tokens::PerSubject { .. }).then(|| self.upstream.token_record.subjects())
    }

    fn force<'a>(&'a self, subject: Option<&'a str>) -> BoxFuture<'a, Result<Forced, SubjectError>> {
        Box::pin(async move { Ok(self.handle(subject)?.force().await) })
    }
}
