//! What is sent, independent of any connection.
//!
//! [`target`], [`authority`] and [`mod@version`] build the request line, [`headers`] the headers, and [`body`] the body;
//! [`attempt`] puts them together for one attempt. [`max_forwards`] limits how far a request goes. [`expect`] and [`interim`]
//! handle interim responses, and [`grpc`] gRPC errors.

pub(super) mod attempt;
pub(in crate::proxy) mod authority;
pub(super) mod body;
pub(super) mod expect;
pub(super) mod grpc;
pub(super) mod headers;
pub(super) mod interim;
pub(super) mod max_forwards;
pub(super) mod target;
pub(super) mod version;
