//! One request, from its head to its response.
//!
//! [`serve`] prepares it as a [`pending`] request or has [`refuse`] answer it, [`forward`] sends it and repeats it once,
//! [`reconnect`] gives each attempt a connection that works, [`send`] sends it there, [`expiry`] judges the response,
//! [`mod@response`] streams it, [`upgrade`] carries a tunnel, [`exchange`] records what came of it.

pub(super) mod exchange;
pub(super) mod expiry;
mod forward;
mod pending;
mod reconnect;
mod refuse;
pub(super) mod response;
mod send;
pub(super) mod serve;
pub(super) mod upgrade;
