//! What the store knows, and which of it is news to an attempt.

use crate::token::grant::{Generation, Grant};
use crate::token::keeper::attempt::{Attempt, usable};
use crate::token::store::{Store, Stored};

impl Attempt {
    /// What the store has now, if it is newer and serves.
    pub(super) async fn look(&mut self) -> Option<Grant> {
        let stored = self.store.load(&self.spec.store_key).await.ok().flatten()?;
        self.adopt(&stored)
    }

    /// Makes a newer grant of the store the previous one, if its token saves the request; gives it back then. The token
    /// that we have already saves none, whatever its end is in the store: there it is the wall's, which may be wrong.
    pub(in crate::token) fn adopt(&mut self, stored: &Stored) -> Option<Grant> {
        let serves = !self.spec.prove
            && !stored.refresh_sent
            && usable(&stored.grant, Generation::default(), &self.spec, self.clock.now()).is_some();
        if !serves || !self.is_newer(stored) || self.has_token_of(stored) {
            return None;
        }
        (self.rejected, self.spent, self.marked) = (false, false, false);
        // Of the time before our own start nobody knows who accepted the token since.
        self.forced = stored.forced && self.previous.is_some();
        self.number = stored.number;
        self.previous = Some(stored.grant.clone());
        self.previous.clone()
    }

    /// The same under the lease, where a newer grant is taken over even if its token does not serve.
    pub(super) fn take_over(&mut self, kept: Option<&Stored>) -> Option<Grant> {
        // The store lost what it had, and maybe what came after it: our refresh token may not be the newest.
        self.spent |= kept.map_or(0, |stored| stored.number) < self.number;
        let stored = kept?;
        if let Some(grant) = self.adopt(stored) {
            return Some(grant);
        }
        if self.is_newer(stored) {
            (self.spent, self.marked) = (false, false);
            self.previous = Some(self.newer(stored));
        } else if stored.number > self.number {
            // A sibling asked since, and got the very same back.
            self.spent = false;
        }
        self.number = self.number.max(stored.number);
        // Whoever set the mark did not live to save the reply: the refresh token may be gone already. A mark on another
        // one says nothing of ours.
        let marked = stored.refresh_sent && !self.marked && self.is_ours(stored);
        self.spent |= marked;
        self.sent_by_another = marked && !self.store.has_marked(&self.spec.store_key, stored);
        None
    }

    /// What the store has, with the end that we know, where that is the end of the token that we have.
    fn newer(&mut self, stored: &Stored) -> Grant {
        let mut grant = stored.grant.clone();
        match self.previous.as_ref().filter(|ours| ours.access == grant.access) {
            Some(ours) => grant.life = ours.life,
            None => self.rejected = false,
        }
        grant
    }

    /// Whether what the store has is not the grant that we know, and came after it.
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
