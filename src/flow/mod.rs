//! A flow is data: three HTTP sentences in, a [`Source`](crate::token::source::Source) and a
//! [`Usage`](crate::token::usage::Usage) out.
//!
//! `[token]` says how to get a token, `[inject]` how to send it, `[expired]` how it dies. A [`FlowSpec`] is that as it
//! is written, with every key and name checked; [`Flow::compile`] fills its variables in. From there on nothing can be
//! misspelt, and what is left to know at the moment of a request is the subject, the token and what a login gave.
//!
//! A flow is made once, out of what people write:
//!
//! | room | what happens there |
//! |---|---|
//! | `shipped` | the flows in the binary |
//! | `spec` | a flow's table becomes a [`FlowSpec`]: every key and name is checked |
//! | `compile`, `compiled` | variables are filled in: the [`Flow`] and its recipe |
//!
//! Then each renewal passes these, in this order:
//!
//! | room | what happens there |
//! |---|---|
//! | `mint` | the token core asks; one exchange with the token endpoint ends in a grant or an error |
//! | `request` | the request is built; `parts` are its Basic credentials, headers, query and cookies |
//! | `template` | `${name}` is filled in; `reader` checks templates as they are written, `binder` knows the variables |
//! | `address` | may credentials travel to this URL? |
//! | `client` | the request is sent, its whole reply read |
//! | `reply` | the reply becomes a grant: `locator` finds values in it, `times` reads lifetimes; or an error: `refusal`, with `mask` and `excerpt` to keep secrets out |
//! | `usage` | the token is put on calls to the API (`inject`), and their answers say when it is dead (`expired`) |
//!
//! `spec` and `compile` name all of the others; `mint` those below it; `template` and `address` none.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice, clippy::arithmetic_side_effects))]

mod address;
pub mod client;
mod compile;
mod compiled;
mod mint;
mod reply;
mod request;
pub mod shipped;
mod spec;
mod template;
mod usage;

pub use compiled::{Flow, Values};
pub use reply::times::claims;
pub use spec::{FlowEnvironment, FlowSpec, Variable};
pub use template::binder::ValueFault;
