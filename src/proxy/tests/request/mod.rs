//! What the upstream sees of a request, its repeat, and what a caller is told instead of an answer.

mod bodies;
mod errors;
mod expiry;
mod faults;
mod requests;

use super::support::{scene, streams, wire};
