//! Events at the mocked APIs, for narration.

use super::api::Api;
use super::received::Kind;

/// An event at one of the APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub api: Api,
    pub what: What,
}

/// What happened at an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A token was issued.
    Issued {
        /// [`Kind::Login`] or [`Kind::Refresh`].
        kind: Kind,
        /// The number of the token, from 1.
        number: u64,
        /// The user, at APIs with a token per user.
        subject: Option<String>,
        /// Its lifetime in seconds.
        seconds: u64,
        /// Seconds that the subject's previous token was still valid, if it was.
        left: Option<u64>,
    },
    /// A token request was refused.
    Refused {
        /// The kind of request.
        kind: Kind,
        /// The status of the response.
        status: u16,
    },
    /// A token was revoked.
    Revoked {
        /// The number of the token.
        number: u64,
    },
    /// A call had an expired token.
    Expired {
        /// The number of the token.
        number: u64,
    },
    /// A call was served.
    Called {
        method: String,
        /// The path without the query.
        path: String,
        /// The number of its token.
        number: Option<u64>,
    },
}
