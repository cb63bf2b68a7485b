//! The data path over real sockets: a caller that writes bytes, a data thread, an upstream that is told what to answer.
//!
//! [`caller`] is about who calls and how long, [`request`] about what happens to a request, [`upstream`] about connections to
//! the API and what comes back on them. All of them use [`support`].

mod caller;
mod request;
pub(crate) mod support;
mod upstream;
