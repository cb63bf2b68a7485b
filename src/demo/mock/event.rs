//! What happens at the mocked APIs, for whoever watches.

use super::api::Api;
use super::received::Kind;

/// Something happened at one of the APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where.
    pub api: Api,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A token was given.
    Issued {
        /// [`Kind::Login`] or [`Kind::Refresh`].
        kind: Kind,
        /// Which one, counted from 1.
        number: u64,
        /// For whom.
        subject: Option<String>,
        /// How long it lives.
        seconds: u64,
    },
    /// A token endpoint did not do what was asked.
    Refused {
        /// What was asked.
        kind: Kind,
        /// The answer's status.
        status: u16,
    },
    /// A token was revoked.
    Revoked {
        /// Which one.
        number: u64,
    },
    /// A call came with a token that has ended.
    Expired {
        /// Which one.
        number: u64,
    },
    /// A call was answered.
    Called {
        /// Its method.
        method: String,
        /// Its path, without the query.
        path: String,
        /// With which token.
        number: Option<u64>,
    },
}
