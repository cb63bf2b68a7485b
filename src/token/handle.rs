//! The reader's side of a token: a request borrows it, or waits a bounded time for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::grant::{Generation, Token};
use crate::clock::Moment;

/// A reader of one token. Cloned by upstreams and requests in flight; when the last one goes, so does the token.
#[derive(Clone)]
pub struct TokenHandle {}

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
    /// Every state, in the order of the contract.
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
    /// By the wall's clock.
    pub at: SystemTime,
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

impl TokenHandle {
    /// The token, if it may be used now. Never waits: an atomic load, and a note that the token is in use.
    pub fn current(&self, _now: Moment) -> Option<Arc<Token>> {
        None
    }

    /// The generation of the newest token, cheap enough to ask for each request: whoever keeps something rendered from
    /// a token compares it with this.
    pub fn generation(&self) -> Generation {
        Generation::default()
    }

    /// A usable token, waiting at most `patience` while an attempt is running or due within it.
    pub async fn usable(&self, _patience: Duration) -> Result<Arc<Token>, NoToken> {
        Err(NoToken::Pending { retry_after: Duration::from_secs(1) })
    }

    /// After the API rejected `generation`: a different token, waiting at most `patience`; `None` when there will be
    /// none in time, at once when the bounds on forced renewals refuse one.
    pub async fn renewed_after(&self, _generation: Generation, _patience: Duration) -> Option<Arc<Token>> {
        None
    }

    /// As [`TokenHandle::renewed_after`], for a request that cannot be repeated: nothing to wait for.
    pub fn rejected(&self, _generation: Generation) {}

    /// An answer accepted `generation`: forced renewals are free again.
    pub fn accepted(&self, _generation: Generation) {}

    /// Renews now, within the bounds on forced renewals.
    pub async fn force(&self) -> Forced {
        Forced::TooSoon(Duration::ZERO)
    }

    /// How the token stands.
    pub fn status(&self) -> Status {
        Status {
            state: State::Starting,
            generation: None,
            obtained_at: None,
            expires: None,
            next_renewal: None,
            last_error: None,
        }
    }

    /// Returns when the status may have changed since `status()` was last called.
    pub async fn changed(&self) {}
}
