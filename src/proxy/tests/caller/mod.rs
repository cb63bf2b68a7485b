//! Callers' connections: who may call, how many, how long, and how they end.

mod connections;
mod guarding;
mod limits;
mod stopping;

use super::support::{scene, streams, wire};
