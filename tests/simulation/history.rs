//! What will happen in one simulated world: who is there, and which actions come when. A history is data: it can be
//! printed, cut down and run again.

use std::fmt;
use std::time::Duration;

/// One world and all that is done to it.
#[derive(Clone, Debug)]
pub struct History {
    pub seed: u64,
    pub setup: Setup,
    pub steps: Vec<Step>,
    /// When the last fault ends: from here on everything works.
    pub healed: Duration,
}

/// What stays the same throughout.
#[derive(Clone, Debug)]
pub struct Setup {
    pub processes: usize,
    pub subjects: u32,
    pub login: bool,
    pub refresh: Refreshing,
    /// Seconds; none: the server does not say.
    pub life: Option<u64>,
    pub refresh_in: Option<u64>,
    /// A new token ends the one before it.
    pub exclusive: bool,
    pub min_interval: u64,
    pub while_used: bool,
    /// The store outlives its process.
    pub lasting: bool,
    /// A lease ends after a while; else with its process.
    pub leases_expire: bool,
    pub revokes: bool,
}

/// How the server renews a token without a login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refreshing {
    No,
    /// Each refresh gives a new refresh token; the old one used again ends the whole family.
    Rotating,
    /// One refresh token serves for ever.
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

/// What can happen. Times are in milliseconds where they are short and in seconds where they are long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Requests of the same moment.
    Call {
        process: usize,
        subject: u32,
        herd: u32,
        repeatable: bool,
        patience: u64,
    },
    /// An operator orders a renewal.
    Force {
        process: usize,
        subject: u32,
    },
    /// The next token requests are answered so.
    Replies {
        reply: Reply,
        times: u32,
    },
    /// Every operation of the store takes up to this long.
    SlowStore {
        millis: u64,
        seconds: u64,
    },
    /// Operations of the store fail, with their effect or without.
    BrokenStore {
        seconds: u64,
        takes_effect: bool,
    },
    /// The process dies where it stands, and starts again.
    Crash {
        process: usize,
        down: u64,
    },
    /// The process is stopped in good order, and starts again.
    Restart {
        process: usize,
        down: u64,
    },
    /// The process stands still while the world goes on.
    Pause {
        process: usize,
        seconds: u64,
    },
    /// The store is away for one process.
    Cut {
        process: usize,
        seconds: u64,
    },
    /// The same, as soon as it has marked a refresh token as sent.
    CutAtMark {
        process: usize,
        seconds: u64,
    },
    /// The process stands still as soon as it has sent a refresh token; its reply comes meanwhile.
    FreezeAtRefresh {
        process: usize,
        seconds: u64,
    },
    /// The machine sleeps: time passes and no timer notices.
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
    /// The client secret changes: at the server, and in the files of the processes.
    NewSecret {
        server_after: u64,
        processes_after: u64,
    },
}

/// How the token endpoint answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    Good,
    /// After this many seconds.
    Late(u64),
    /// Good, and the request takes effect once more after this many milliseconds.
    Twice(u64),
    /// No answer; the request took effect or not.
    Never {
        takes_effect: bool,
    },
    /// 429 with `Retry-After`.
    Busy(u64),
    /// 5xx.
    Broken,
    /// The connection was not made.
    Unreachable,
    /// A success without a token in it.
    Garbage,
    /// The token that is already known, if one lives.
    Known,
    /// A token of this life.
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
