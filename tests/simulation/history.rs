//! A history: the setup of one simulated world, and the actions in it. A history is data: it can be printed, shrunk and
//! replayed.

use std::fmt;
use std::time::Duration;

/// A setup and its actions.
#[derive(Clone, Debug)]
pub struct History {
    pub seed: u64,
    pub setup: Setup,
    pub steps: Vec<Step>,
    /// When the last fault ends; afterwards everything works.
    pub healed: Duration,
}

/// What does not change.
#[derive(Clone, Debug)]
pub struct Setup {
    pub processes: usize,
    pub subjects: u32,
    pub login: bool,
    pub refresh: Refreshing,
    /// The lifetime in seconds; `None`: the server does not state it.
    pub life: Option<u64>,
    pub refresh_in: Option<u64>,
    /// A new token invalidates the previous one.
    pub exclusive: bool,
    pub min_interval: u64,
    pub while_used: bool,
    /// The store survives its process.
    pub lasting: bool,
    /// Leases expire after a time; otherwise they end with their process.
    pub leases_expire: bool,
    pub revokes: bool,
}

/// How the server renews a token without a login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refreshing {
    No,
    /// Each refresh returns a new refresh token; reuse of an old one ends the session.
    Rotating,
    /// One refresh token that never changes.
    Kept,
    /// With the still valid access token.
    ByAccess,
}

/// An action and its time.
#[derive(Clone, Debug)]
pub struct Step {
    pub at: Duration,
    pub action: Action,
}

/// The possible actions. Short times are in milliseconds, long ones in seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Several requests at once.
    Call {
        process: usize,
        subject: u32,
        herd: u32,
        repeatable: bool,
        patience: u64,
    },
    /// An operator forces a renewal.
    Force {
        process: usize,
        subject: u32,
    },
    /// Sets the replies to the next token requests.
    Replies {
        reply: Reply,
        times: u32,
    },
    /// Every store operation takes up to this long.
    SlowStore {
        millis: u64,
        seconds: u64,
    },
    /// Store operations fail, with or without taking effect.
    BrokenStore {
        seconds: u64,
        takes_effect: bool,
    },
    /// The process crashes and starts again.
    Crash {
        process: usize,
        down: u64,
    },
    /// The process shuts down and starts again.
    Restart {
        process: usize,
        down: u64,
    },
    /// The process is suspended while the others run.
    Pause {
        process: usize,
        seconds: u64,
    },
    /// One process cannot reach the store.
    Cut {
        process: usize,
        seconds: u64,
    },
    /// The same, once it has marked a refresh token as sent.
    CutAtMark {
        process: usize,
        seconds: u64,
    },
    /// The process is suspended once it has sent a refresh token; the reply arrives meanwhile.
    FreezeAtRefresh {
        process: usize,
        seconds: u64,
    },
    /// The machine is suspended: time passes and no timer fires.
    Suspend {
        seconds: u64,
    },
    StepWall {
        process: usize,
        seconds: i64,
    },
    /// The server forgets all access tokens, or all sessions.
    Die {
        sessions: bool,
    },
    /// The API rejects every token.
    ApiRejects {
        seconds: u64,
    },
    /// The client secret changes, at the server and in the processes' files.
    NewSecret {
        server_after: u64,
        processes_after: u64,
    },
}

/// The replies of the token endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    Good,
    /// Success, after this many seconds.
    Late(u64),
    /// Success, and the request takes effect again after this many milliseconds.
    Twice(u64),
    /// No reply, whether or not the request took effect.
    Never {
        takes_effect: bool,
    },
    /// 429 with `Retry-After`.
    Busy(u64),
    /// 5xx.
    Broken,
    /// The connection failed.
    Unreachable,
    /// A 2xx without a token.
    Garbage,
    /// The current token again, if it is valid.
    Known,
    /// A token with this lifetime.
    Living(Option<u64>),
    /// 401 `invalid_client`.
    Refused,
    /// 400 `invalid_grant`.
    DeadGrant,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.setup)?;
        for step in &self.steps {
            writeln!(f, "  {:>10.3} s  {:?}", step.at.as_secs_f64(), step.action)?;
        }
        write!(f, "  {:>10.3} s  all faults end", self.healed.as_secs_f64())
    }
}
