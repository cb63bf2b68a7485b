//! What happened in a world, as its actors saw it. Invariants read this and nothing else.

use std::time::Duration;

use bearerd::token::source::{Outcome, Step};

use crate::history::{Action, Setup};

/// A keeper from the outside: which run of which process, with which secret, for whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Owner {
    pub run: u32,
    pub secret: u32,
    pub subject: u32,
}

/// Something happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// On the world's clock.
    pub at: Duration,
    /// The same without the time that was slept.
    pub awake: Duration,
    pub event: Event,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A process started; its number counts the starts.
    Started {
        run: u32,
        process: usize,
        secret: u32,
    },
    /// It died, or was stopped: none of its requests is under way any more.
    Ended {
        run: u32,
    },
    /// A token request left.
    Sent {
        id: u32,
        owner: Owner,
        step: Step,
        refresh: Option<String>,
    },
    /// Its reply lies in the socket.
    Arrived {
        id: u32,
    },
    /// It came to an end for the process that sent it.
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
    /// A lease is asked for that its holder may keep for ever, and waited for so long.
    Queued {
        run: u32,
        subject: u32,
        patience: Duration,
    },
    /// The right to ask for the token of a subject began, and was given back.
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
    /// A grant was saved, or the store said that it could not be.
    Saved {
        run: u32,
        subject: u32,
        access: String,
        mark: bool,
        ok: bool,
    },
    /// A request came in.
    Called {
        id: u32,
        owner: Owner,
        patience: Duration,
    },
    /// What a reader sees without waiting.
    Looked {
        owner: Owner,
        token: Option<Seen>,
    },
    /// A request left for the API, and what the API said of its token.
    Forwarded {
        id: u32,
        owner: Owner,
        token: Seen,
        asked_for: u32,
        again: bool,
        accepted: bool,
    },
    /// The request's waiting for a token is over.
    GotToken {
        id: u32,
        owner: Owner,
        after: Duration,
        token: Option<u64>,
    },
    /// Something was done to the world.
    Did(Action),
    Healed,
}

/// What a store's answer was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    Nothing,
    Error,
    Grant { access: String, refresh: Option<String>, mark: bool },
}

/// How a token request ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// `until` is what the process can know of the token's end.
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
    /// Nobody waited any longer.
    Cut,
}

/// A token in a reader's hands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub access: String,
    pub generation: u64,
    /// On the world's clock.
    pub expires: Option<Duration>,
}

/// A history that was run.
pub struct Run {
    pub setup: Setup,
    pub log: Vec<Entry>,
    /// Subjects whose session at the server is over for good, because the flow has no login to begin another.
    pub lost: Vec<u32>,
}
