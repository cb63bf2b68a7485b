//! What is sent, apart from any connection.
//!
//! [`target`], [`authority`] and [`mod@version`] make the request line, [`headers`] the fields, [`body`] what follows; [`attempt`] is all of it for one
//! attempt. [`expect`] and [`interim`] are about what is said ahead of a response, [`grpc`] about its errors.

pub(super) mod attempt;
pub(in crate::proxy) mod authority;
pub(super) mod body;
pub(super) mod expect;
pub(super) mod grpc;
pub(super) mod headers;
pub(super) mod interim;
pub(super) mod target;
pub(super) mod version;
