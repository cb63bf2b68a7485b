//! Graceful shutdown. Each phase is announced once, in order, and never reverted.

use tokio::sync::watch;

/// The phases of shutdown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Normal operation.
    Running,
    /// No longer ready but still accepting connections, so that load balancers can notice.
    Announced,
    /// Listeners are closed. Requests in flight and tunnels finish; kept-alive connections are told to close.
    Draining,
    /// The grace period is over: remaining connections are closed.
    Cut,
}

/// Moves the process to the next phase.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Phase>);

/// Observes the phase.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

/// A running process.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Moves to this phase. An earlier phase is ignored.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }
}

impl Shutdown {
    /// The current phase.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits for this phase or a later one. Without a trigger it waits forever.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|now| *now >= phase).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_go_forward_and_wake_who_waits_for_an_earlier_one() {
        let (trigger, shutdown) = channel();
        assert_eq!(shutdown.phase(), Phase::Running);
        trigger.advance(Phase::Draining);
        trigger.advance(Phase::Announced);
        assert_eq!(shutdown.phase(), Phase::Draining);
        shutdown.reached(Phase::Announced).await;
        let cut = tokio::time::timeout(std::time::Duration::ZERO, shutdown.reached(Phase::Cut)).await;
        assert!(cut.is_err());
    }
}
