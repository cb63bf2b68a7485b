//! The result of a token request.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::clock::Moment;
use crate::token::source::Outcome;

/// The maximum size of a reply in bytes.
pub(super) const REPLY: usize = 1 << 20;

/// A complete reply, and when it was requested.
pub(in crate::flow) struct Reply {
    pub(in crate::flow) status: StatusCode,
    pub(in crate::flow) headers: HeaderMap,
    /// Decoded.
    pub(in crate::flow) body: Bytes,
    /// Why the body is incomplete.
    pub(in crate::flow) unread: Option<String>,
    pub(in crate::flow) sent: Moment,
    pub(in crate::flow) sent_wall: SystemTime,
    pub(in crate::flow) received_wall: SystemTime,
}

/// A request without a reply: its outcome, and the reason for people.
pub(in crate::flow) struct NoReply {
    pub(in crate::flow) outcome: Outcome,
    pub(in crate::flow) why: String,
}
