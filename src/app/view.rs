//! The tokens of one upstream as admin sees them.

use std::sync::Arc;

use crate::admin::{SubjectError, TokenView};
use crate::proxy::{Tokens, Upstream};
use crate::token::handle::{Forced, Status, TokenHandle};
use crate::token::source::BoxFuture;

/// An upstream's tokens. Holds the default subject's, so that it is there before anybody asks.
pub(super) struct View {
    upstream: Arc<Upstream>,
    standing: Option<TokenHandle>,
}

impl View {
    pub(super) fn new(upstream: Arc<Upstream>) -> Self {
        let standing = match &upstream.tokens {
            Tokens::One(handle) => Some(handle.clone()),
            Tokens::PerSubject { rule, open } => rule.default.as_ref().map(|subject| open(subject)),
        };
        Self { upstream, standing }
    }

    /// The token that is there without anybody asking: the only one, or the default subject's.
    pub(super) fn standing(&self) -> Option<&TokenHandle> {
        self.standing.as_ref()
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

impl TokenView for View {
    fn status(&self) -> Option<Status> {
        self.standing.as_ref().map(TokenHandle::status)
    }

    fn subjects(&self) -> Option<u64> {
        matches!(self.upstream.tokens, Tokens::PerSubject { .. }).then(|| self.upstream.token_record.subjects())
    }

    fn force<'a>(&'a self, subject: Option<&'a str>) -> BoxFuture<'a, Result<Forced, SubjectError>> {
        Box::pin(async move { Ok(self.handle(subject)?.force().await) })
    }
}
