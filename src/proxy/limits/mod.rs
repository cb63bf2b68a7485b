//! Limits on waiting and on memory.

pub(super) mod budget;
pub(super) mod deadline;
pub(super) mod in_flight;
pub(super) mod limiter;
pub(super) mod memory;
