//! A request between its head and its response.

use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::exchange::Exchange;
use crate::clock::SharedClock;
use crate::proxy::backend::{Backend, TokenSlot};
use crate::proxy::limits::deadline::Deadline;
use crate::proxy::message::body::Upload;
use crate::proxy::message::interim::Ahead;

/// A request that may be sent: judged, routed, stripped of what must not pass, and with no token yet.
pub(crate) struct PendingRequest {
    pub(crate) token_slot: TokenSlot,
    pub(crate) upload: Upload,
    pub(crate) ahead: Ahead,
    /// Whether it asks to leave HTTP.
    pub(crate) upgrade: bool,
    /// How long the head of the answer may take.
    pub(crate) patience: Duration,
    pub(crate) deadline: Rc<Deadline>,
    pub(crate) clock: SharedClock,
    pub(crate) entry: Box<Exchange>,
}

impl PendingRequest {
    pub(super) fn backend(&self) -> &Backend {
        &self.entry.backend
    }

    /// It has been answered with this status: what is left is its entry, and a map that nobody needs any more.
    pub(crate) fn ended(self, status: StatusCode) -> (Box<Exchange>, HeaderMap) {
        let mut entry = self.entry;
        entry.token_slot = Some(self.token_slot);
        let spare = entry.answered(status);
        (entry, spare)
    }
}
