//! What a panic about one token comes to: a failure of that one, which is looked at again after a while. All others go on.

use std::time::Duration;

use crate::panics;
use crate::token::handle::shared::KeeperId;
use crate::token::pool::task::PoolTask;

/// A token about which something panicked is left alone for this long.
const PAUSE: Duration = Duration::from_secs(10);

impl PoolTask {
    /// Does something about a token; `job_is_over`: its job has ended.
    pub(super) fn guarded(&mut self, id: KeeperId, job_is_over: bool, act: impl FnOnce(&mut Self)) {
        let busy = self.keepers.get(&id).is_some_and(|keeper| keeper.is_busy());
        if panics::catch(|| act(self)).is_ok() {
            return;
        }
        let Some(keeper) = self.keepers.get_mut(&id) else { return };
        let at = self.context.clock.now() + PAUSE;
        keeper.interrupt(busy && !job_is_over, at);
        self.timers.retain(|(_, other)| *other != id);
        self.timers.insert((at, id));
    }
}
