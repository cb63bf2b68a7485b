//! The state of an attempt to open a connection that several requests may share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::watch;

use super::shared::SharedConnection;
use crate::proxy::error::Fault;

/// The result of that attempt.
#[derive(Clone)]
pub(super) enum Opened {
    /// An HTTP/2 connection that all waiting requests may use.
    Http2(Rc<SharedConnection>),
    /// The server speaks HTTP/1.1: each request needs its own connection.
    Http1,
    Failed(Fault),
}

/// The attempt in progress, if there is one, and the outcome of the last.
#[derive(Default)]
pub(super) struct Connecting {
    /// Receives the result of the attempt in progress.
    pub(super) in_progress: RefCell<Option<watch::Receiver<Option<Opened>>>>,
    /// Whether the last attempt found that the server speaks HTTP/1.1.
    pub(super) http1: Cell<bool>,
}
