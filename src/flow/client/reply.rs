//! What a call came to.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::clock::Moment;
use crate::token::source::Outcome;

/// The largest reply.
pub(super) const REPLY: usize = 1 << 20;

/// A whole reply, and when it was asked for.
pub(in crate::flow) struct Reply {
    pub(in crate::flow) status: StatusCode,
    pub(in crate::flow) headers: HeaderMap,
    /// Without its content codings.
    pub(in crate::flow) body: Bytes,
    /// Why there is less of the body than was sent.
    pub(in crate::flow) unread: Option<String>,
    pub(in crate::flow) sent: Moment,
    pub(in crate::flow) sent_wall: SystemTime,
    pub(in crate::flow) received_wall: SystemTime,
}

/// A call without a reply: how it ended, and why in words for people.
pub(in crate::flow) struct NoReply {
    pub(in crate::flow) outcome: Outcome,
    pub(in crate::flow) why: String,
}
