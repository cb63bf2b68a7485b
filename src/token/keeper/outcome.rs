//! What the keeper does with the result of an attempt.

use std::sync::Arc;
use std::time::Duration;

use super::Keeper;
use super::advice;
use super::attempt::{Attempt, AttemptResult, usable};
use super::backoff::Backoff;
use super::context::Context;
use crate::clock::Moment;
use crate::token::action::Action;
use crate::token::grant::{Generation, Grant};
use crate::token::handle::view::Trouble;
use crate::token::plan::GrantTimes;
use crate::token::source::{MintError, Outcome};
use crate::token::status::Forced;
use crate::token::store::Stored;

/// How long to wait before saving again.
const SAVE_AGAIN: Duration = Duration::from_secs(10);

/// How long to wait before checking what another process did.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Keeper {
    pub(in crate::token) fn ended(&mut self, attempt: Attempt, end: AttemptResult, context: &mut Context) {
        let now = context.clock.now();
        let before = self.view.generation();
        self.view.running = false;
        self.last_request = self.last_request.max(attempt.requested);
        (self.spent, self.marked, self.number) = (attempt.spent, attempt.marked, attempt.number);
        self.save_at = context.store.lacks(&self.spec.store_key).then_some(now + SAVE_AGAIN);
        if let Some(shared) = self.shared.upgrade().filter(|_| self.spec.policy.while_used) {
            shared.forget_use();
        }
        match end {
            AttemptResult::Adopted(grant) => {
                if attempt.forced && !self.view.forcing {
                    self.bounds.started(now);
                }
                self.view.forcing |= attempt.forced;
                self.succeed(grant, attempt.requested, context);
            }
            AttemptResult::Minted(grant) => {
                self.spec.prove = false;
                (self.spent, self.marked) = (false, false);
                self.succeed(grant, attempt.requested, context);
            }
            AttemptResult::Failed(error) => {
                self.adopt(attempt.previous, context);
                self.fail(&error, attempt.action, attempt.requested, context);
                if attempt.waits {
                    self.retry_at = self.retry_at.min(Some(now + LOOK_AGAIN));
                }
            }
            AttemptResult::TooEarly => {
                let known = attempt.previous.as_ref().map(|grant| grant.issued.min(now));
                self.last_request = self.last_request.max(known);
                self.adopt(attempt.previous, context);
            }
        }
        self.answer_orders(before);
    }

    /// Another process changed the stored grant. A running attempt checks by itself.
    pub(in crate::token) fn looked(&mut self, stored: Option<&Stored>, context: &mut Context) {
        if self.view.running {
            return;
        }
        let mut attempt = self.attempt(context);
        match stored.and_then(|stored| attempt.adopt(stored)) {
            Some(grant) => self.ended(attempt, AttemptResult::Adopted(grant), context),
            None => self.save_at = self.save_at.map(|_| context.clock.now()),
        }
    }

    /// An attempt to save a grant ended.
    pub(in crate::token) fn saved(&mut self, done: bool, now: Moment) {
        if done {
            tracing::info!(upstream = &*self.spec.record.upstream, "the token is now saved");
        } else {
            self.save_at = Some(now + SAVE_AGAIN);
        }
    }

    fn succeed(&mut self, grant: Grant, requested: Option<Moment>, context: &mut Context) {
        if !self.set_grant(grant, context) {
            let message = "the token endpoint returned a token that had already expired";
            return self.fail(&MintError::new(Outcome::BadReply, message), None, requested, context);
        }
        self.backoff = Backoff::default();
        self.retry_at = None;
        self.view.trouble = None;
        if std::mem::take(&mut self.view.forcing) {
            self.bounds.renewed(self.view.generation());
            if self.rejected {
                // The server returned the rejected token again, so this renewal failed without sending it.
                self.bounds.rejected(context.clock.now());
            }
        }
    }

    fn fail(&mut self, error: &MintError, action: Option<Action>, requested: Option<Moment>, context: &mut Context) {
        let now = context.clock.now();
        let usable = self.view.usable(now).filter(|_| !self.rejected);
        let left = usable.map(|token| token.expires().map_or(Duration::MAX, |end| end.since(now)));
        let draw = context.random.f64();
        let took = requested.map_or(Duration::ZERO, |requested| now.since(requested));
        let wait = self.backoff.after(error, left.unwrap_or_default(), took, self.spec.policy.hold, draw);
        // A failed forced renewal is retried as a forced one. While there is a usable token, the limit per minute
        // applies.
        let bound = self.bounds.free_from().filter(|_| self.view.forcing && self.view.usable(now).is_some());
        self.retry_at = bound.max(Some(now + wait));
        let refused = error.outcome == Outcome::Rejected;
        tracing::debug!(upstream = &*self.spec.record.upstream, ?wait, "renewal failed: {error}");
        let (can_login, worked) = (self.spec.source.can_login(), self.view.token.is_some());
        let action = action.unwrap_or_else(|| advice::after_error(error, can_login, worked));
        let (message, at) = (error.message.as_str().into(), context.clock.wall());
        self.view.trouble = Some(Trouble { refused, action, message, at });
    }

    /// A stored grant that was newer than ours but did not serve the attempt.
    fn adopt(&mut self, found: Option<Grant>, context: &mut Context) {
        if let Some(grant) = found.filter(|grant| self.grant.as_ref() != Some(grant)) {
            self.set_grant(grant, context);
        }
    }

    /// Makes this the newest grant and, if its token is usable, publishes the token. A token that the server returned
    /// again keeps its generation: it is not a different one.
    fn set_grant(&mut self, grant: Grant, context: &mut Context) -> bool {
        let now = context.clock.now();
        let present = self.view.token.as_deref();
        let same = present.filter(|token| token.access == grant.access && token.captures == grant.captures);
        self.grant_times =
            Some(GrantTimes::new(&grant, same.map(|token| (token.issued, token.life)), context.random.f64()));
        let next = Generation(self.number.max(self.view.generation().0.saturating_add(1)));
        let generation = same.map_or(next, |token| token.generation);
        let is_new = same.is_none();
        let token = usable(&grant, generation, &self.spec, now);
        self.grant = Some(grant);
        let Some(token) = token else { return false };
        if !self.spec.prove {
            self.rejected &= !is_new;
            self.view.obtained_at = context.clock.wall().checked_sub(now.since(token.issued));
            self.view.token = Some(Arc::new(token));
        }
        true
    }

    /// Reports to those who requested the renewal.
    fn answer_orders(&mut self, before: Generation) {
        let present = self.view.generation();
        for order in std::mem::take(&mut self.orders) {
            let _ = order.send(match &self.view.trouble {
                _ if present > before => Forced::Renewed(present),
                Some(trouble) => Forced::Failed(trouble.message.to_string()),
                None => Forced::Failed("the renewal returned no new token".to_owned()),
            });
        }
    }
}
