//! Callers' connections: access, limits, timeouts, and how they end.

mod connections;
mod guarding;
mod http10;
mod limits;
mod stopping;

use super::support::{scene, streams, wire};
