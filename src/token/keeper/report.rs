//! Log lines about changes of a token's state: a line per token, or a count if there is a token per user.

use super::Keeper;
use super::complaints::{Complaint, Complaints};
use crate::clock::Moment;
use crate::token::handle::shared::Shared;
use crate::token::handle::view::Trouble;
use crate::token::status::State;

impl Keeper {
    /// Whether this is one of many users' tokens, none of which is important by itself.
    fn is_one_of_many(&self) -> bool {
        self.spec.key.subject.is_some() && self.spec.policy.while_used && !self.spec.prove
    }

    /// Writes one line per change of state. It names the upstream, never the user.
    pub(super) fn report(&mut self, now: Moment, shared: &Shared, complaints: &mut Complaints) {
        if self.is_one_of_many() {
            let trouble = self.view.trouble.clone();
            self.complain(trouble.as_ref(), complaints, now);
        }
        let state = self.view.state(now);
        if state != std::mem::replace(&mut self.state, state) {
            shared.announce();
        }
        // A running attempt will know the reason when it ends, or will succeed.
        let knows_soon = state == State::Expired && self.view.trouble.is_none() && self.view.running;
        if knows_soon || state == std::mem::replace(&mut self.reported, state) {
            return;
        }
        let (upstream, state) = (&*self.spec.record.upstream, state.as_str());
        match &self.view.trouble {
            _ if self.is_one_of_many() => tracing::debug!(upstream, state, "a subject's token is {state}"),
            Some(Trouble { message, action, .. }) if self.spec.prove => {
                let (action, what) = (action.as_str(), "no token with the changed secret, the old one stays in use");
                tracing::warn!(upstream, action, "{what}: {message}");
            }
            Some(Trouble { message, action, .. }) => {
                tracing::warn!(upstream, state, action = action.as_str(), "the token is {state}: {message}");
            }
            None => tracing::info!(upstream, state, "the token is {state}"),
        }
    }

    /// Counts its problem among those of its upstream.
    pub(in crate::token) fn complain(&mut self, trouble: Option<&Trouble>, complaints: &mut Complaints, now: Moment) {
        let before = std::mem::replace(&mut self.complaint, trouble.map(Complaint::of));
        complaints.change(&self.spec.record.upstream, before, trouble, now);
    }
}
