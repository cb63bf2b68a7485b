//! The state of a token, in the words that status, metrics, logs and errors share.

use std::time::{Duration, SystemTime};

use super::action::Action;
use super::grant::Generation;
use crate::clock::Moment;

/// Why there is no usable token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoToken {
    /// The first attempt is still running: `token-pending`.
    Pending {
        /// When to try again.
        retry_after: Duration,
    },
    /// The token endpoint fails: `token-failing`.
    Failing {
        /// When to try again.
        retry_after: Duration,
    },
    /// The token endpoint refuses the credentials: `token-rejected`.
    Rejected {
        /// When to try again.
        retry_after: Duration,
    },
}

/// The state of a token; the same words in `/status`, metrics and logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// No attempt has ended yet.
    Starting,
    /// There is a usable token, and the last renewal succeeded.
    Fresh,
    /// There is a usable token, but the last renewal failed.
    Degraded,
    /// There is no usable token, and the endpoint fails.
    Expired,
    /// There is no usable token, and the credentials are refused.
    Rejected,
}

impl State {
    /// Every state, from the first to the worst.
    pub const ALL: [Self; 5] = [Self::Starting, Self::Fresh, Self::Degraded, Self::Expired, Self::Rejected];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Fresh => "fresh",
            Self::Degraded => "degraded",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }
}

/// The state of a token, for people and probes. Contains no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub state: State,
    /// The generation of the newest token, if there was one.
    pub generation: Option<Generation>,
    /// When the token was obtained, in wall-clock time.
    pub obtained_at: Option<SystemTime>,
    /// When the token expires, if that is known.
    pub expires: Option<Moment>,
    /// When the next attempt is due.
    pub next_renewal: Option<Moment>,
    /// The last failure, if none succeeded since.
    pub last_error: Option<LastError>,
}

/// A failure, without secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastError {
    /// `token-failing` or `token-rejected`.
    pub code: &'static str,
    pub message: String,
    /// What the operator should do.
    pub action: Action,
    /// Wall-clock time.
    pub at: SystemTime,
}

/// Whether a token has been obtained yet, for whoever must choose between tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Promise {
    /// There was no token yet, and no failure.
    Open,
    /// There has been a token.
    Kept,
    /// There was no token yet, and the last attempt failed.
    Broken,
}

/// The result of a forced renewal, for `POST /refresh`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Forced {
    /// There is a new token.
    Renewed(Generation),
    /// Not now, because of the minimum interval, a hold or the bounds; try again after this time.
    TooSoon(Duration),
    /// The attempt failed, with a message for people.
    Failed(String),
}
