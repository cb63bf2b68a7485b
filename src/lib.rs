//! bearerd is a local authenticating reverse proxy. An application calls it without credentials; it forwards each call with a
//! fresh token. This page is the map of the code.
//!
//! | module | what it does | may import |
//! |---|---|---|
//! | `allocator` | the allocator, and how much memory is in use | |
//! | `clock` | a clock that runs through suspend, and a paused one for tests | |
//! | `secret` | secret text that cannot be printed | |
//! | `panics` | panics end only the work that they happen in | |
//! | `endpoint` | URLs of APIs and token endpoints, and the outbound proxy | `secret` |
//! | `tls` | the TLS configuration of API and token requests | |
//! | `guard` | access rules: who may call | `secret` |
//! | `record` | counters, histograms and the most recent requests | |
//! | `sensor_io` | a stream whose reads and writes are watched | |
//! | `shutdown` | the phases of shutdown | |
//! | `telemetry` | logs | |
//! | `document` | reads TOML and environment variables, and reports problems with their position | |
//! | `token` | the core: requests, renews and stores tokens | `clock`, `secret`, `record`, `panics` |
//! | `flow` | logins described as data: compiles a description to a source of tokens | `token`, `clock`, `secret`, `document`, `endpoint` |
//! | `proxy` | the data path: the life of a request | `token`, `guard`, `record`, `clock`, `sensor_io`, `shutdown`, `panics`, `allocator`, `endpoint` |
//! | `admin` | probes, metrics, status, and commands to a running proxy | `token`, `guard`, `record`, `clock`, `sensor_io`, `shutdown`, `panics` |
//! | `config` | reads the configuration and reports all problems at once | `flow`, `token::key`, `token::patch`, `proxy::settings`, `guard`, `record`, `secret`, `document`, `tls`, `endpoint` |
//! | `demo` | mocked token endpoints and APIs, for the demo and the tests | `clock` |
//! | `app` | runs all of these on two threads | everything above |
//! | `cli` | the commands; turns errors into exit codes | everything above |
//!
//! Dependencies point one way. `tests/layering.rs` reads this table and enforces it.
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
