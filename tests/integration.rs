//! The real binary over real sockets, in one test binary to save linking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, clippy::print_stderr)]

mod support;

#[path = "integration/attacks.rs"]
mod attacks;
#[path = "integration/demo.rs"]
mod demo;
#[path = "integration/dnb_europe.rs"]
mod dnb_europe;
#[path = "integration/doors.rs"]
mod doors;
#[path = "integration/errors.rs"]
mod errors;
#[path = "integration/faithful.rs"]
mod faithful;
#[path = "integration/frozen.rs"]
mod frozen;
#[path = "integration/guarding.rs"]
mod guarding;
#[path = "integration/herd.rs"]
mod herd;
#[path = "integration/lasting.rs"]
mod lasting;
#[path = "integration/mutual.rs"]
mod mutual;
#[path = "integration/outage.rs"]
mod outage;
#[path = "integration/plain.rs"]
mod plain;
#[path = "integration/reload.rs"]
mod reload;
#[path = "integration/rotation.rs"]
mod rotation;
#[path = "integration/secrets_stay.rs"]
mod secrets_stay;
#[path = "integration/simacan.rs"]
mod simacan;
#[path = "integration/stopping.rs"]
mod stopping;
#[path = "integration/streams.rs"]
mod streams;
#[path = "integration/takeover.rs"]
mod takeover;
#[path = "integration/token.rs"]
mod token;
#[path = "integration/users.rs"]
mod users;
#[path = "integration/wait.rs"]
mod wait;
#[path = "integration/yodlee.rs"]
mod yodlee;
#[path = "integration/younium.rs"]
mod younium;
