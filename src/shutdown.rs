//! The way down: each phase is announced once, in order, and never taken back.

use tokio::sync::watch;

/// How far the way down has been gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Serving.
    Running,
    /// Not ready any more, but still accepting: load balancers need time to notice.
    Announced,
    /// Listeners are closed; requests in flight and tunnels finish, kept-alive connections are told to close.
    Draining,
    /// The grace has run out: whatever is left is cut.
    Cut,
}

/// Who moves the process down.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Phase>);

/// Who follows.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Phase>);

/// A running process: the one that may end it, and what everybody else waits on.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Goes on to this phase; an earlier one is ignored.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }
}

impl Shutdown {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until this phase or a later one. A process without a trigger never goes down.
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
