//! Several bearerd processes share one account through a real Redis. `tests/fleet` runs the large test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, clippy::print_stderr)]

mod support;

#[path = "redis/cut_off.rs"]
mod cut_off;
#[path = "redis/large.rs"]
mod large;
#[path = "redis/sharing.rs"]
mod sharing;
#[path = "redis/tls.rs"]
mod tls;
