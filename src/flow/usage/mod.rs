//! What a flow says of calls to the API: how they take the token, and which answers mean that it is dead.

pub(super) mod expired;
pub(super) mod inject;
