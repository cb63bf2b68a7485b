//! Limits on waiting and on memory.

pub(super) mod budget;
pub(super) mod deadline;
pub(super) mod in_flight;
pub(super) mod limiter;
pub(super) mod memory;

use std::time::Duration;

/// Time between two sweeps: a limit ends at most this much late, and never early.
pub(crate) const TICK: Duration = Duration::from_secs(1);
