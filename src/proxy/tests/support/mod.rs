//! What the tests over real sockets have in common.

pub(crate) mod fixture;
pub(super) mod scene;
pub(super) mod streams;
pub(super) mod wire;
