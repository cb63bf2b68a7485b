//! What is known of the attempt to open a connection that many may share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::watch;

use super::shared::SharedConnection;
use crate::proxy::error::Fault;

/// What an attempt that many wait for has come to.
#[derive(Clone)]
pub(super) enum Opened {
    /// All may use it.
    Http2(Rc<SharedConnection>),
    /// The server speaks HTTP/1.1: to each its own.
    Http1,
    /// None.
    Failed(Fault),
}

/// The attempt that is under way, if any, and what the last one has found.
#[derive(Default)]
pub(super) struct Dialling {
    /// What those wait for that want a connection meanwhile.
    pub(super) under_way: RefCell<Option<watch::Receiver<Option<Opened>>>>,
    /// Whether it has found that the server speaks HTTP/1.1.
    pub(super) http1: Cell<bool>,
}
