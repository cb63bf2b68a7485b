//! A caller's connection.

pub(super) mod connection;
pub(in crate::proxy::caller) mod http2;
pub(in crate::proxy::caller) mod pacing;
pub(in crate::proxy::caller) mod preface;
