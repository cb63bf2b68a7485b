//! One attempt to get a token: its start and its progress. `run` performs it, `lease` gets the right to send the
//! refresh token, `adopt` takes over a newer grant of the store.

mod adopt;
mod lease;
mod run;

use std::sync::Arc;

use crate::clock::{Moment, SharedClock};
use crate::token::action::Action;
use crate::token::grant::{Generation, Grant, Token};
use crate::token::source::MintError;
use crate::token::spec::TokenSpec;
use crate::token::store::unsaved::BufferedStore;

/// An attempt and its progress.
pub(in crate::token) struct Attempt {
    pub(in crate::token) spec: TokenSpec,
    pub(in crate::token) store: Arc<BufferedStore>,
    pub(in crate::token) clock: SharedClock,
    /// The newest known grant.
    pub(in crate::token) previous: Option<Grant>,
    /// The number of that grant among those of its store name.
    pub(in crate::token) number: u64,
    /// The generation that readers know its token by. It may be ahead of the store's number.
    pub(in crate::token) generation: Generation,
    pub(in crate::token) rejected: bool,
    /// Its refresh token should not be sent if there is another way.
    pub(in crate::token) spent: bool,
    /// This attempt marked the refresh token as sent in the store.
    pub(in crate::token) marked: bool,
    /// Another process marked the refresh token as sent and may still save the reply.
    pub(in crate::token) sent_by_another: bool,
    /// It waits for another process and checks again soon; no request was made.
    pub(in crate::token) waits: bool,
    /// What the operator should do, if the endpoint's reply does not determine it.
    pub(in crate::token) action: Option<Action>,
    /// When the token request was sent.
    pub(in crate::token) requested: Option<Moment>,
    /// The API's rejection caused this attempt.
    pub(in crate::token) forced: bool,
}

/// How an attempt ended.
pub(in crate::token) enum AttemptResult {
    /// The store had a newer token.
    Adopted(Grant),
    /// The endpoint issued a token.
    Minted(Grant),
    Failed(MintError),
    /// The store records a request too recent for another one.
    TooEarly,
}

fn token_of(grant: &Grant, generation: Generation, spec: &TokenSpec) -> Token {
    Token {
        generation,
        subject: spec.key.subject.clone(),
        access: grant.access.clone(),
        captures: grant.captures.clone(),
        issued: grant.issued,
        life: grant.life,
    }
}

/// The token of this grant, if requests can use it now.
pub(in crate::token) fn usable(grant: &Grant, generation: Generation, spec: &TokenSpec, now: Moment) -> Option<Token> {
    let token = token_of(grant, generation, spec);
    let subject = spec.key.subject.as_ref();
    Some(token).filter(|token| token.is_usable(now) && spec.source.is_sendable(grant, subject))
}

impl Attempt {
    /// The attempt panicked. Its refresh token may have been sent.
    pub(in crate::token) fn broken_off(mut self) -> Self {
        self.requested = Some(self.clock.now());
        self.spent |= self.previous.as_ref().is_some_and(|grant| grant.refresh.is_some());
        self
    }

    pub(super) fn is_needed(&self) -> bool {
        self.rejected || self.spec.prove || !self.is_usable()
    }

    pub(super) fn is_usable(&self) -> bool {
        let now = self.clock.now();
        self.previous.as_ref().is_some_and(|grant| usable(grant, Generation::default(), &self.spec, now).is_some())
    }
}
