//! One request, from its head to its response.
//!
//! [`serve`] prepares it, [`forward`] sends it and repeats it once, [`expiry`] judges the response, [`mod@response`] streams it, [`upgrade`]
//! carries a tunnel, [`exchange`] records what came of it.

pub(super) mod exchange;
pub(super) mod expiry;
pub(super) mod forward;
pub(super) mod response;
pub(super) mod serve;
pub(super) mod upgrade;
