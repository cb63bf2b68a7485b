//! What the upstream sees of a request, the repeat, and error responses.

mod bodies;
mod cut;
mod errors;
mod expiry;
mod faults;
mod requests;

use super::support::{scene, streams, wire};
