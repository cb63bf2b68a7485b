//! Shared parts of the tests over real sockets.

pub(crate) mod fixture;
pub(super) mod scene;
pub(super) mod streams;
pub(super) mod wire;
