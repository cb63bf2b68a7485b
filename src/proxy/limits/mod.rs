//! Limits on waiting, on requests and on memory.
//!
//! [`deadline`] limits waits, [`in_flight`] counts a connection's requests, [`limiter`] limits the requests and sockets of all
//! callers, [`memory`] limits memory, [`turns`] schedules busy connections, and [`budget`] limits the bodies kept for a repeat.
//! [`metered`] applies the memory limit and the turns to every task of a caller.

pub(super) mod budget;
pub(super) mod deadline;
pub(super) mod in_flight;
pub(super) mod limiter;
pub(super) mod memory;
pub(super) mod metered;
mod turns;

use std::time::Duration;

/// The time between two sweeps. A limit ends at most this much late, and never early.
pub(crate) const TICK: Duration = Duration::from_secs(1);
