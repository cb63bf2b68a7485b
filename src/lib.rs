//! bearerd: a local authenticating reverse proxy. An application calls it without credentials; it sends the call on with a
//! fresh token. This page is the map.
//!
//! | module | is about | may import |
//! |---|---|---|
//! | `allocator` | memory, and how much of it is in use | |
//! | `clock` | time that runs through suspend, and the paused one of tests | |
//! | `secret` | text that must not be seen | |
//! | `panics` | a panic ends its own work, counted and told | |
//! | `endpoint` | where calls go: URLs of APIs and token endpoints, the outbound proxy | `secret` |
//! | `tls` | TLS to the outside: one client configuration for API and token calls | |
//! | `guard` | who may call | `secret` |
//! | `record` | what happened to requests and tokens: counters, histograms, the last requests | |
//! | `sensor_io` | a stream whose reads and writes are watched | |
//! | `shutdown` | from the first signal to the end of the grace | |
//! | `telemetry` | logs | |
//! | `document` | reading JSON, TOML and text that others wrote | |
//! | `token` | the core: who may ask for a token, when, and who sees it | `clock`, `secret`, `record`, `panics` |
//! | `flow` | a login as data: a description in, a source of tokens out | `token`, `clock`, `secret`, `document`, `endpoint` |
//! | `proxy` | the life of a request | `token`, `guard`, `record`, `clock`, `sensor_io`, `shutdown`, `panics`, `allocator`, `endpoint` |
//! | `admin` | probes, status, metrics, dashboard | `token`, `guard`, `record`, `clock`, `sensor_io`, `shutdown`, `panics` |
//! | `config` | from what people write to what is meant, with all problems at once | `flow`, `token::key`, `token::patch`, `proxy::settings`, `guard`, `record`, `secret`, `document`, `tls`, `endpoint` |
//! | `demo` | plays the world outside: token endpoints and APIs with switches | `clock` |
//! | `app` | puts all of these together on two threads | everything above |
//! | `cli` | the commands; an error becomes an exit code | everything above |
//!
//! Dependencies point one way: `tests/layering.rs` reads this table and enforces it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod admin;
mod allocator;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod document;
pub mod endpoint;
pub mod flow;
pub mod guard;
pub mod panics;
pub mod proxy;
pub mod record;
pub mod secret;
mod sensor_io;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
pub mod token;
