//! The seam between the token core and a flow: one attempt at a token.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::action::Action;
use super::grant::Grant;
use super::key::Subject;

/// A future that may be polled from any thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The two ways to a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    /// With the credentials.
    Login,
    /// With what an earlier grant gave: its refresh token, or its still valid access token.
    Refresh,
}

/// One request for a token.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Which request of the flow to make.
    pub step: Step,
    /// Whose token.
    pub subject: Option<&'a Subject>,
    /// The grant before this one; a refresh reads its refresh token.
    pub previous: Option<&'a Grant>,
    /// How long the call may take, reply included.
    pub patience: Duration,
}

/// How a token request ended, as the metrics name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// A token.
    Ok,
    /// Credentials refused: 400, 401, 403, or whatever else says that the client is the one refused.
    Rejected,
    /// Another status that is no success.
    Status,
    /// No reply in time.
    Timeout,
    /// No connection: DNS, TCP or TLS.
    Connect,
    /// A success without a token that can be used, or a reply that is too large or cut.
    BadReply,
}

impl Outcome {
    /// The metric's word.
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

/// Why a token request gave no token. Both kinds keep the token's keeper alive; only the pace differs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct MintError {
    /// How it ended; [`Outcome::Rejected`] is held, all others back off.
    pub outcome: Outcome,
    /// A refresh token sent with it is dead: 400, 401, 404 or 410, unless `error` says that the client is refused.
    pub grant_is_dead: bool,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
    /// What a person should do, where the reply says more about that than how the request ended.
    pub action: Option<Action>,
    /// For people, without a secret: what was asked, what the server said.
    pub message: String,
}

impl MintError {
    /// An error that says no more than how it ended.
    pub fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self { outcome, grant_is_dead: false, retry_after: None, action: None, message: message.into() }
    }
}

/// A place among those that may ask: once it is dropped, the next one's.
pub type QueuePlace = Box<dyn Send>;

/// What a token endpoint is to the core.
pub trait Source: Send + Sync + 'static {
    /// Whether the flow has a login. One without starts from a refresh token that was given.
    fn can_login(&self) -> bool;

    /// Whether `previous` can be turned into a new grant without a login. After a rejection by the API, a refresh that
    /// needs the still valid access token cannot.
    fn can_refresh(&self, previous: Option<&Grant>, rejected: bool) -> bool;

    /// Waits in line until this may ask, in the order of arrival; `new` is one that has no token yet. What comes of it is
    /// held while the attempt lasts. No call runs meanwhile, and no lease is held.
    fn place(&self, _new: bool) -> BoxFuture<'_, QueuePlace> {
        Box::pin(async { Box::new(()) as QueuePlace })
    }

    /// Whether the API's requests can carry this grant's token; one that they cannot is as good as none.
    fn is_sendable(&self, _grant: &Grant, _subject: Option<&Subject>) -> bool {
        true
    }

    /// One attempt: one HTTP exchange, never a second step on its own. It ends within [`Ask::patience`]. A reply without
    /// a new refresh token keeps the old one in the grant.
    fn mint<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Grant, MintError>>;

    /// Ends a grant; best effort. Flows without a revocation return at once.
    fn revoke<'a>(&'a self, subject: Option<&'a Subject>, grant: &'a Grant) -> BoxFuture<'a, Result<(), MintError>>;

    /// Whether [`Source::revoke`] does anything.
    fn can_revoke(&self) -> bool;

    /// Whether a grant is revoked when the process ends, too.
    fn revokes_at_shutdown(&self) -> bool {
        false
    }
}
