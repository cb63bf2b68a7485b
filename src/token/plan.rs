//! When to ask for a token.

use std::time::Duration;

/// The pace of one flow's token requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// `exclusive` flows renew this long before the end.
    pub margin: Duration,
    /// Least time between two token requests, forced ones included.
    pub min_interval: Duration,
    /// Renewing invalidates the previous token, so it is done late.
    pub exclusive: bool,
    /// First hold after refused credentials; doubles up to 15 minutes.
    pub hold: Duration,
    /// Renew only while used: tokens of subjects.
    pub while_used: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            margin: Duration::from_secs(60),
            min_interval: Duration::ZERO,
            exclusive: false,
            hold: Duration::from_secs(60),
            while_used: false,
        }
    }
}
