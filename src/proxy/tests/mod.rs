//! The data path over real sockets: a caller that writes bytes, a data thread, and an upstream with scripted responses.
//!
//! [`caller`] tests callers' connections, [`request`] what happens to a request, and [`upstream`] connections to the API and
//! their responses. All of them use [`support`].

mod caller;
mod request;
pub(crate) mod support;
mod upstream;
