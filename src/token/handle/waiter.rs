use std::sync::Arc;

use tokio::sync::oneshot;

use crate::clock::Moment;
use crate::token::grant::{Generation, Token};
use crate::token::status::NoToken;

/// A request that waits for an attempt to end.
pub(in crate::token) enum Waiter {
    /// Waits for any usable token.
    Usable { patience: Moment, answer: oneshot::Sender<Result<Arc<Token>, NoToken>> },
    /// Waits for a newer token than the rejected one.
    Successor { rejected: Generation, patience: Moment, answer: oneshot::Sender<Option<Arc<Token>>> },
}
