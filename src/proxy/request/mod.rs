//! One request, from its head to its answer.

pub(super) mod exchange;
pub(super) mod expiry;
pub(super) mod forward;
pub(super) mod response;
pub(super) mod serve;
pub(super) mod upgrade;
