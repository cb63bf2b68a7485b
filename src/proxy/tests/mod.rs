//! The data path over real sockets: a caller that writes bytes, a data thread, an upstream that is told what to answer.

mod ahead;
mod answers;
mod bodies;
mod connections;
mod errors;
mod expiry;
mod faults;
pub(crate) mod fixture;
mod guarding;
mod http2;
mod limits;
mod requests;
mod shared;
mod stopping;
mod streams;
mod support;
mod tunnels;
mod upstreams;
mod wire;
