//! Connections to the API over each protocol and through proxies, and the responses on them.

mod http2;
mod interim;
mod malformed;
mod shared;
mod tunnels;
mod upstreams;

use super::support::{scene, streams, wire};
