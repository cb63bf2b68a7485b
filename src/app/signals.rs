//! Signals, and the commands of the admin listener.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::{Moment, SharedClock};

/// A second signal within this time counts as the same one, as when a terminal and a supervisor both send it.
const ECHO: Duration = Duration::from_secs(1);

/// The signals that stop or reload.
pub(super) struct Signals {
    clock: SharedClock,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    first: Option<Moment>,
}

/// The meaning of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SignalRequest {
    /// Reload the configuration.
    Reload,
    /// Drain and stop.
    Stop,
    /// Stop at once; the number of the signal.
    Abort(u8),
}

impl Signals {
    pub(super) fn new(clock: SharedClock) -> std::io::Result<Self> {
        Ok(Self {
            clock,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            first: None,
        })
    }

    /// The next request.
    pub(super) async fn next(&mut self) -> SignalRequest {
        loop {
            let number = tokio::select! {
                _ = self.terminate.recv() => 15,
                _ = self.interrupt.recv() => 2,
                _ = self.hangup.recv() => return SignalRequest::Reload,
            };
            let now = self.clock.now();
            match self.first {
                None => {
                    self.first = Some(now);
                    return SignalRequest::Stop;
                }
                Some(first) if now.since(first) >= ECHO => return SignalRequest::Abort(number),
                Some(_) => {}
            }
        }
    }
}
