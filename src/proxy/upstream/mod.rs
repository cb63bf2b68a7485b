//! Connections to the API.
//!
//! [`pool`] keeps them, [`connect`] opens them, and a [`transport`] carries their bytes. [`http1`] and [`http2`] implement the
//! protocols; [`response_body`] and [`send_error`] make responses and errors look the same for both.

pub(super) mod connect;
pub(super) mod http1;
pub(super) mod http2;
pub(super) mod pool;
pub(super) mod response_body;
pub(super) mod send_error;
pub(super) mod transport;
