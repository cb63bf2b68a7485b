//! Connections to the API.

pub(super) mod connect;
pub(super) mod http1;
pub(super) mod http2;
pub(super) mod line;
pub(super) mod pool;
pub(super) mod response_body;
pub(super) mod send_error;
pub(super) mod transport;
