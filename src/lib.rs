//! bearerd: a local authenticating reverse proxy.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod clock;
pub mod document;
pub mod flow;
pub mod guard;
pub mod proxy;
pub mod record;
pub mod secret;
pub mod shutdown;
pub mod tls;
pub mod token;
