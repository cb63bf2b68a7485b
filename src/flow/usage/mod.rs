//! How API calls carry the token, and which responses mean that it has expired.

pub(super) mod expired;
pub(super) mod inject;
