//! The token core: who may ask for a token, when, and who gets to see it. It knows no HTTP server, no client, no flow.
//!
//! | room | what happens there |
//! |---|---|
//! | [`pool`] | all tokens of the process: `pool::registry` finds a token's readers, [`pool::task`] runs every keeper |
//! | [`keeper`] | the keeper of one token: plans, starts attempts, publishes |
//! | [`subjects`] | the tokens of one upstream, one for each subject |
//! | [`handle`] | the reader's side: [`handle::shared`] is where a keeper and its readers meet |
//! | [`store`] | where grants outlive the process |
//! | [`plan`], [`source`], [`spec`], [`status`], [`grant`], [`key`], [`patch`], [`usage`], [`action`] | what all of them share |
//!
//! # One renewal, file by file
//!
//! 1. [`pool::task`] wakes the [`keeper`] when its timer fires or a reader sends a message.
//! 2. [`plan::decide`] says what is due: nothing yet, or an attempt.
//! 3. [`keeper::attempt`] looks at the [`store`] first, takes the lease, marks the refresh token as sent, and asks the
//!    [`source::Source`].
//! 4. The new grant is saved before anybody sees it ([`store::unsaved`] remembers what the store did not take).
//! 5. The keeper takes the outcome over, plans the next renewal ([`keeper::backoff`], [`keeper::forced`]) and publishes a
//!    [`handle::view`].
//! 6. Readers see it through a [`handle::TokenHandle`] without waiting and without a lock.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects))]

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
