//! The log of a run, as its actors saw it. Rules read only this.

use std::time::Duration;

use bearerd::token::source::{Outcome, Step};

use crate::history::{Action, Setup};

/// Identifies a keeper: run of a process, secret, subject.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Owner {
    pub run: u32,
    pub secret: u32,
    pub subject: u32,
}

/// An entry of the log.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// World time.
    pub at: Duration,
    /// World time without suspends.
    pub awake: Duration,
    pub event: Event,
}

/// The events.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A process started. Runs are counted.
    Started {
        run: u32,
        process: usize,
        secret: u32,
    },
    /// It crashed or was stopped: none of its requests is running any longer.
    Ended {
        run: u32,
    },
    /// A token request was sent.
    Sent {
        id: u32,
        owner: Owner,
        step: Step,
        refresh: Option<String>,
    },
    /// Its reply is in the socket.
    Arrived {
        id: u32,
    },
    /// It ended for the process that sent it.
    Answered {
        id: u32,
        owner: Owner,
        end: End,
    },
    Revoked {
        owner: Owner,
        access: String,
    },
    Loaded {
        run: u32,
        subject: u32,
        found: Found,
    },
    /// A lease is waited for whose holder may keep it forever.
    Queued {
        run: u32,
        subject: u32,
        patience: Duration,
    },
    /// The lease of a subject was taken, and was released.
    Leased {
        run: u32,
        subject: u32,
        lease: u64,
    },
    GaveBack {
        run: u32,
        subject: u32,
        lease: u64,
    },
    /// A grant was saved, or the save failed.
    Saved {
        run: u32,
        subject: u32,
        access: String,
        mark: bool,
        ok: bool,
    },
    /// A request arrived.
    Called {
        id: u32,
        owner: Owner,
        patience: Duration,
    },
    /// What a reader sees.
    Looked {
        owner: Owner,
        token: Option<Seen>,
    },
    /// A request was sent to the API, with its verdict on the token.
    Forwarded {
        id: u32,
        owner: Owner,
        token: Seen,
        asked_for: u32,
        again: bool,
        accepted: bool,
    },
    /// The request's wait for a token ended.
    GotToken {
        id: u32,
        owner: Owner,
        after: Duration,
        token: Option<u64>,
    },
    /// An action of the history.
    Did(Action),
    Healed,
}

/// What the store returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    Nothing,
    Error,
    Grant { access: String, refresh: Option<String>, mark: bool },
}

/// How a token request ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// `until`: the expiry as the process can know it.
    Granted {
        access: String,
        refresh: Option<String>,
        issued: Duration,
        until: Option<Duration>,
        refresh_in: Option<Duration>,
    },
    Failed {
        outcome: Outcome,
        dead: bool,
        retry_after: Option<Duration>,
    },
    /// Nobody waited for it any longer.
    Cut,
}

/// A token that a reader has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub access: String,
    pub generation: u64,
    /// World time.
    pub expires: Option<Duration>,
}

/// A history that was played, with its log.
pub struct Run {
    pub setup: Setup,
    pub log: Vec<Entry>,
    /// Subjects whose session at the server has ended for good, because the flow has no login.
    pub lost: Vec<u32>,
}
