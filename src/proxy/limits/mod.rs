//! Limits on waiting, on requests and on memory.
//!
//! [`deadline`] ends what waits too long, [`in_flight`] counts a connection's requests, [`limiter`] those of all callers, [`memory`] the bytes
//! that they hold, [`turns`] who goes first, and [`budget`] the bodies kept for a repeat. [`metered`] applies memory and turns to
//! each task of a caller.

pub(super) mod budget;
pub(super) mod deadline;
pub(super) mod in_flight;
pub(super) mod limiter;
pub(super) mod memory;
pub(super) mod metered;
mod turns;

use std::time::Duration;

/// Time between two sweeps: a limit ends at most this much late, and never early.
pub(crate) const TICK: Duration = Duration::from_secs(1);
