//! Connections from callers.
//!
//! [`accept`] accepts them, [`preface`] detects the protocol, [`connection`] serves HTTP/1.1 and parks idle connections,
//! [`http2`] serves HTTP/2, and [`pacing`] stops reading from a caller that uses too much memory.

pub(super) mod accept;
pub(super) mod connection;
pub(in crate::proxy::caller) mod http2;
pub(in crate::proxy::caller) mod pacing;
pub(in crate::proxy::caller) mod preface;
