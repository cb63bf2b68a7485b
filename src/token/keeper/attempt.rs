//! One attempt at a token: what it starts from, and what it learns on its way. `run` is its course, `lease` gets the right
//! to send the refresh token, `adopt` takes over what the store has.

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

/// An attempt, and what it learns on its way.
pub(in crate::token) struct Attempt {
    pub(in crate::token) spec: TokenSpec,
    pub(in crate::token) store: Arc<BufferedStore>,
    pub(in crate::token) clock: SharedClock,
    /// The newest grant that is known.
    pub(in crate::token) previous: Option<Grant>,
    /// Which one of its name in the store that is.
    pub(in crate::token) number: u64,
    /// What readers count its token as: after a time alone maybe further than the store.
    pub(in crate::token) generation: Generation,
    /// The API rejected its token.
    pub(in crate::token) rejected: bool,
    /// Its refresh token is not to be sent if there is another way.
    pub(in crate::token) spent: bool,
    /// We told the store that its refresh token was sent.
    pub(in crate::token) marked: bool,
    /// Another process told it so, and may yet save the reply.
    pub(in crate::token) sent_by_another: bool,
    /// It waits for another process, and looks again soon: there was no request.
    pub(in crate::token) waits: bool,
    /// What a person should do, where that is not the endpoint's to say.
    pub(in crate::token) action: Option<Action>,
    /// When a token was asked for.
    pub(in crate::token) requested: Option<Moment>,
    /// A rejection asks for it.
    pub(in crate::token) forced: bool,
}

/// How it ended.
pub(in crate::token) enum AttemptResult {
    /// The store had a newer token.
    Adopted(Grant),
    /// The endpoint gave one.
    Minted(Grant),
    /// No token.
    Failed(MintError),
    /// The store knows of a request that is too recent for another.
    TooEarly,
}

/// The part of a grant that readers get.
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

/// The same, if a request can be sent with it now.
pub(in crate::token) fn usable(grant: &Grant, generation: Generation, spec: &TokenSpec, now: Moment) -> Option<Token> {
    let token = token_of(grant, generation, spec);
    let subject = spec.key.subject.as_ref();
    Some(token).filter(|token| token.is_usable(now) && spec.source.is_sendable(grant, subject))
}

impl Attempt {
    /// Nobody knows how far it came: its refresh token may have been sent.
    pub(in crate::token) fn broken_off(mut self) -> Self {
        self.requested = Some(self.clock.now());
        self.spent |= self.previous.as_ref().is_some_and(|grant| grant.refresh.is_some());
        self
    }

    /// Whether requests would fail without a new token.
    pub(super) fn is_needed(&self) -> bool {
        self.rejected || self.spec.prove || !self.is_usable()
    }

    pub(super) fn is_usable(&self) -> bool {
        let now = self.clock.now();
        self.previous.as_ref().is_some_and(|grant| usable(grant, Generation::default(), &self.spec, now).is_some())
    }
}
