//! What the store has, and whether the attempt adopts it.

use crate::token::grant::{Generation, Grant};
use crate::token::keeper::attempt::{Attempt, usable};
use crate::token::store::{Store, Stored};

impl Attempt {
    /// The stored grant, if it is newer and its token is usable.
    pub(super) async fn look(&mut self) -> Option<Grant> {
        let stored = self.store.load(&self.spec.store_key).await.ok().flatten()?;
        self.adopt(&stored)
    }

    /// Adopts a newer stored grant as the previous one. Returns it if its token makes a request unnecessary. The token
    /// that we have never does, whatever expiry the store has for it: stored times are wall-clock times, which may be
    /// wrong.
    pub(in crate::token) fn adopt(&mut self, stored: &Stored) -> Option<Grant> {
        let serves = !self.spec.prove
            && !stored.refresh_sent
            && usable(&stored.grant, Generation::default(), &self.spec, self.clock.now()).is_some();
        if !serves || !self.is_newer(stored) || self.has_token_of(stored) {
            return None;
        }
        (self.rejected, self.spent, self.marked) = (false, false, false);
        // Before this process started, the API may have accepted the token.
        self.forced = stored.forced && self.previous.is_some();
        self.number = stored.number;
        self.previous = Some(stored.grant.clone());
        self.previous.clone()
    }

    /// Like [`Self::adopt`], but under the lease: adopts a newer grant even if its token is not usable.
    pub(super) fn take_over(&mut self, kept: Option<&Stored>) -> Option<Grant> {
        // The store lost our grant, and perhaps later ones: our refresh token may not be the newest.
        self.spent |= kept.map_or(0, |stored| stored.number) < self.number;
        let stored = kept?;
        if let Some(grant) = self.adopt(stored) {
            return Some(grant);
        }
        if self.is_newer(stored) {
            (self.spent, self.marked) = (false, false);
            self.previous = Some(self.newer(stored));
        } else if stored.number > self.number {
            // Another keeper has asked since and got the same token.
            self.spent = false;
        }
        self.number = self.number.max(stored.number);
        // The process that set the mark did not save the reply, so the refresh token may be used up. A mark on another
        // refresh token says nothing about ours.
        let marked = stored.refresh_sent && !self.marked && self.is_ours(stored);
        self.spent |= marked;
        self.sent_by_another = marked && !self.store.has_marked(&self.spec.store_key, stored);
        None
    }

    /// The stored grant, with the expiry that we know if it is the token that we have.
    fn newer(&mut self, stored: &Stored) -> Grant {
        let mut grant = stored.grant.clone();
        match self.previous.as_ref().filter(|ours| ours.access == grant.access) {
            Some(ours) => grant.life = ours.life,
            None => self.rejected = false,
        }
        grant
    }

    /// Whether the stored grant is a different and newer one.
    fn is_newer(&self, stored: &Stored) -> bool {
        !self.is_ours(stored) && stored.number >= self.number
    }

    fn is_ours(&self, stored: &Stored) -> bool {
        let same = |ours: &Grant| ours.access == stored.grant.access && ours.refresh == stored.grant.refresh;
        self.previous.as_ref().is_some_and(same)
    }

    fn has_token_of(&self, stored: &Stored) -> bool {
        self.previous.as_ref().is_some_and(|ours| ours.access == stored.grant.access)
    }
}
