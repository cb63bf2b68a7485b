//! Compiles a flow, which is a login described as data, to a [`Source`](crate::token::source::Source) of tokens and a
//! [`Usage`](crate::token::usage::Usage) of them.
//!
//! A flow has three tables: `[token]` describes the token request, `[inject]` how API requests carry the token, and
//! `[expired]` which responses mean that it has expired. A [`FlowSpec`] is the flow as written, with every key and name
//! checked. [`Flow::compile`] fills in its variables. After that, only the subject, the token and what a login has
//! returned are still unknown.
//!
//! A flow is compiled once:
//!
//! | module | what it does |
//! |---|---|
//! | `shipped` | holds the built-in flows |
//! | `spec` | reads a flow's table into a [`FlowSpec`] and checks every key and name |
//! | `compile`, `compiled` | fill in the variables; the result is a [`Flow`] |
//!
//! Each renewal then uses these, in this order:
//!
//! | module | what it does |
//! |---|---|
//! | `mint` | makes one request to the token endpoint and returns a grant or an error |
//! | `request` | builds the request; `parts` has its Basic credentials, headers, query and cookies |
//! | `template` | fills in `${name}`; `reader` checks templates as they are written, `binder` inserts variables |
//! | `address` | decides whether credentials may be sent to a URL |
//! | `client` | sends the request and reads the whole reply |
//! | `reply` | reads the grant: `locator` finds values, `times` reads lifetimes; `refusal` explains errors, and `mask` and `excerpt` keep secrets out of them |
//! | `usage` | puts the token on API requests (`inject`), and recognises responses that mean it has expired (`expired`) |
//!
//! `spec` and `compile` may import all of the others, `mint` those below it, `template` and `address` none.
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
