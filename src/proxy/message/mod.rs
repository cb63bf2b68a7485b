//! What is sent, apart from any connection.

pub(super) mod attempt;
pub(in crate::proxy) mod authority;
pub(super) mod body;
pub(super) mod expect;
pub(super) mod grpc;
pub(super) mod headers;
pub(super) mod interim;
pub(super) mod target;
pub(super) mod version;
