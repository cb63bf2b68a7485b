//! The token core: who may ask for a token, when, and who gets to see it. It knows no HTTP server, no client, no flow.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects))]

//!
//! A keeper owns one token: it loads, plans ([`plan::decide`]), asks ([`source::Source`]), saves ([`store::Store`]) and
//! only then publishes. All keepers live in the pool's one task; a future exists only while a token request runs.
//! Readers hold a [`handle::TokenHandle`] and see what was published without waiting and without a lock.

pub mod action;
pub mod grant;
pub mod handle;
mod keeper;
pub mod key;
pub mod patch;
pub mod plan;
pub mod pool;
pub mod source;
pub mod spec;
pub mod status;
pub mod store;
pub mod subjects;
#[cfg(test)]
mod tests;
pub mod usage;

#[cfg(test)]
pub(crate) use tests::fake;
