//! One request, from its head to its response.
//!
//! [`serve`] has [`validate`] check the request and turns it into a [`pending`] request, or has [`refuse`] reject it. [`forward`] sends it and
//! repeats it at most once. [`reconnect`] finds a working connection for each attempt, and [`send`] sends the attempt on it.
//! [`expiry`] checks whether the response rejects the token, [`mod@response`] streams it to the caller, [`upgrade`] carries
//! WebSocket tunnels, and [`exchange`] records the outcome. [`close_delimited`] adapts responses for HTTP/1.0 callers.

pub(super) mod close_delimited;
mod exchange;
pub(super) mod expiry;
mod forward;
mod pending;
mod reconnect;
mod refuse;
pub(super) mod response;
mod send;
pub(super) mod serve;
pub(super) mod upgrade;
mod validate;
