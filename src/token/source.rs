//! The interface between the token core and a flow: one token request.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::action::Action;
use super::grant::Grant;
use super::key::Subject;

/// A future that may be polled from any thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The two ways to get a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// With the credentials.
    Login,
    /// With an earlier grant: its refresh token, or its still valid access token.
    Refresh,
}

/// One request for a token.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The request of the flow to make.
    pub step: Step,
    /// The user, in flows with a token per user.
    pub subject: Option<&'a Subject>,
    /// The previous grant. A refresh uses its refresh token.
    pub previous: Option<&'a Grant>,
    /// The time limit of the request, reply included.
    pub patience: Duration,
}

/// How a token request ended; the label of the metrics.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    Ok,
    /// The credentials were refused: 400, 401, 403, or a reply that says that the client is refused.
    Rejected,
    /// Another status outside 2xx.
    Status,
    Timeout,
    /// The connection failed: DNS, TCP or TLS.
    Connect,
    /// A 2xx without a usable token, or a reply that is too large or cut off.
    BadReply,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Rejected => "rejected",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::BadReply => "bad_reply",
        }
    }
}

/// Why a token request failed. The keeper continues in any case; only the pace differs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct MintError {
    /// How it ended. [`Outcome::Rejected`] causes a hold, everything else a back-off.
    pub outcome: Outcome,
    /// The refresh token is dead: 400, 401, 404 or 410, unless `error` says that the client is refused.
    pub grant_is_dead: bool,
    /// The server's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// What the operator should do, if the reply says more about it than the outcome.
    pub action: Option<Action>,
    /// What was requested and what the server said, without secrets.
    pub message: String,
}

impl MintError {
    /// An error without further details.
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, grant_is_dead: false, retry_after: None, action: None, message: message.into() }
    }
}

/// A place in the queue. Dropping it lets the next one proceed.
pub type QueuePlace = Box<dyn Send>;

/// A token endpoint, as the core sees it.
pub trait Source: Send + Sync + 'static {
    /// Whether the flow can log in. A flow without login starts from a given refresh token.
    fn can_login(&self) -> bool;

    /// Whether `previous` can be renewed without a login. A refresh that uses the still valid access token cannot
    /// follow a rejection by the API.
    fn can_refresh(&self, previous: Option<&Grant>, rejected: bool) -> bool;

    /// Waits in the queue until this request may be made, in order of arrival. `new`: there is no token yet. Hold the
    /// result while the attempt lasts. No request is running and no lease is held during the wait.
    fn place(&self, _new: bool) -> BoxFuture<'_, QueuePlace> {
        Box::pin(async { Box::new(()) as QueuePlace })
    }

    /// Whether requests to the API can carry this grant's token. If not, the grant is useless.
    fn is_sendable(&self, _grant: &Grant, _subject: Option<&Subject>) -> bool {
        true
    }

    /// Makes one HTTP exchange, never a second one by itself. Ends within [`Ask::patience`]. If the reply has no new
    /// refresh token, the grant keeps the old one.
    fn mint<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Grant, MintError>>;

    /// Revokes a grant, best effort. Flows without revocation return at once.
    fn revoke<'a>(&'a self, subject: Option<&'a Subject>, grant: &'a Grant) -> BoxFuture<'a, Result<(), MintError>>;

    fn can_revoke(&self) -> bool;

    /// Whether grants are also revoked when the process ends.
    fn revokes_at_shutdown(&self) -> bool {
        false
    }
}
