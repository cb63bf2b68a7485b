//! How a token stands: the words that status, metrics, logs and errors share.

use super::action::Action;
use super::grant::Generation;
use crate::clock::Moment;
use std::time::{Duration, SystemTime};

/// Why there is no usable token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoToken {
    /// The first attempt has not ended: `token-pending`.
    Pending {
        /// When to try again.
        retry_after: Duration,
    },
    /// The token endpoint does not answer properly: `token-failing`.
    Failing {
        /// When to try again.
        retry_after: Duration,
    },
    /// The credentials are refused: `token-rejected`.
    Rejected {
        /// When to try again.
        retry_after: Duration,
    },
}

/// The word for how a token stands: the same in `/status`, metrics, logs and the dashboard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// No attempt has ended.
    Starting,
    /// A usable token, and the last attempt gave it.
    Fresh,
    /// A usable token, but the last renewal failed.
    Degraded,
    /// None usable, the endpoint fails.
    Expired,
    /// None usable, the credentials are refused.
    Rejected,
}

impl State {
    /// Every state, from the first to the worst.
    pub const ALL: [Self; 5] = [Self::Starting, Self::Fresh, Self::Degraded, Self::Expired, Self::Rejected];

    /// The word.
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

/// How a token stands, for people and probes. No secret in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The word.
    pub state: State,
    /// Which token, if there was one.
    pub generation: Option<Generation>,
    /// When it was obtained, by the wall's clock.
    pub obtained_at: Option<SystemTime>,
    /// Its end on the monotonic clock, if it has one.
    pub expires: Option<Moment>,
    /// When the next attempt is due.
    pub next_renewal: Option<Moment>,
    /// The last failure since the last success: metric outcome word, message, wall time.
    pub last_error: Option<LastError>,
}

/// The last failure, in words without a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastError {
    /// `token-failing` or `token-rejected`.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// What a person should do.
    pub action: Action,
    /// By the wall's clock.
    pub at: SystemTime,
}

/// What a token has come to so far, for whoever must choose between tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Promise {
    /// There never was a token, and nothing says that there will be none.
    Open,
    /// There was one, at least.
    Kept,
    /// There never was one, and the last attempt failed.
    Broken,
}

/// The end of a forced renewal, for `POST /refresh`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Forced {
    /// A new token is there.
    Renewed(Generation),
    /// Not now: spacing, hold or the bound on forced renewals; try again after this long.
    TooSoon(Duration),
    /// The attempt failed; the text is for people.
    Failed(String),
}
