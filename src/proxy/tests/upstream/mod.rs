//! Connections to the API, in each protocol and through proxies, and all that can come back on them.

mod ahead;
mod answers;
mod http2;
mod shared;
mod tunnels;
mod upstreams;

use super::support::{scene, streams, wire};
