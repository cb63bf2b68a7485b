//! A caller's connection.
//!
//! [`accept`] lets it in, [`preface`] reads its first bytes, [`connection`] serves HTTP/1.1 and parks what is idle, [`http2`] serves
//! HTTP/2, and [`pacing`] stops reading from who holds too much memory.

pub(super) mod accept;
pub(super) mod connection;
pub(in crate::proxy::caller) mod http2;
pub(in crate::proxy::caller) mod pacing;
pub(in crate::proxy::caller) mod preface;
