//! Panics while working on one token count as a failure of that token, which is retried later. All other tokens
//! continue.

use std::time::Duration;

use crate::panics;
use crate::token::handle::shared::KeeperId;
use crate::token::pool::task::PoolTask;

/// How long a token is left alone after a panic.
const PAUSE: Duration = Duration::from_secs(10);

impl PoolTask {
    /// Runs `act` for a token. `job_is_over`: its job has ended.
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
