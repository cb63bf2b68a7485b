//! The token core: who may ask for a token, when, and who gets to see it. It knows no HTTP server, no client, no flow.

pub mod grant;
pub mod handle;
pub mod key;
pub mod patch;
pub mod plan;
pub mod pool;
pub mod source;
pub mod store;
pub mod usage;
