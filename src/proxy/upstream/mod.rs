//! Connections to the API.
//!
//! [`pool`] keeps them, [`connect`] opens them over a [`transport`], [`http1`] and [`http2`] speak on them,
//! [`response_body`] hides which of the two it was, and [`send_error`] says why there is no response.

pub(super) mod connect;
pub(super) mod http1;
pub(super) mod http2;
pub(super) mod pool;
pub(super) mod response_body;
pub(super) mod send_error;
pub(super) mod transport;
