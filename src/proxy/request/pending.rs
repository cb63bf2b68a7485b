//! A request between its head and its response.

use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::exchange::Exchange;
use crate::clock::SharedClock;
use crate::proxy::backend::{Backend, TokenSlot};
use crate::proxy::limits::deadline::Deadline;
use crate::proxy::message::body::Upload;
use crate::proxy::message::interim::InterimReceiver;

/// A request that is ready to be sent: routed, checked and stripped, but without a token yet.
pub(crate) struct PendingRequest {
    pub(crate) token_slot: TokenSlot,
    pub(crate) upload: Upload,
    pub(crate) interim: InterimReceiver,
    /// Whether it asks to switch protocols.
    pub(crate) upgrade: bool,
    /// How long to wait for the response head.
    pub(crate) timeout: Duration,
    pub(crate) deadline: Rc<Deadline>,
    pub(crate) clock: SharedClock,
    pub(crate) exchange: Box<Exchange>,
}

impl PendingRequest {
    pub(super) fn backend(&self) -> &Backend {
        &self.exchange.backend
    }

    /// Consumes the request once the response's status is known. Returns the exchange for the record, and the request's header
    /// map, which can be reused.
    pub(crate) fn finish(self, status: StatusCode) -> (Box<Exchange>, HeaderMap) {
        let mut exchange = self.exchange;
        exchange.token_slot = Some(self.token_slot);
        let headers = exchange.record_response(status);
        (exchange, headers)
    }
}
