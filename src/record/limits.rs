//! Limits on the data path as a whole: how far each goes, how much of it is in use, how often it has refused something.

use super::cell::Cell;

/// What is limited for all callers together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Connections from callers.
    Connections,
    /// Requests in flight.
    Requests,
    /// Sockets of callers and upstreams: each is a file descriptor.
    Sockets,
    /// Bytes that callers and upstreams make the process hold.
    Memory,
}

impl Limit {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Connections, Self::Requests, Self::Sockets, Self::Memory];

    /// The metric's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Requests => "requests",
            Self::Sockets => "sockets",
            Self::Memory => "memory_bytes",
        }
    }
}

/// One limit as it stands.
#[derive(Default, Debug)]
pub struct LimitRecord {
    most: Cell,
    used: Cell,
    refusals: Cell,
}

impl LimitRecord {
    /// How far it goes.
    pub fn set_most(&self, most: u64) {
        self.most.set(most);
    }

    /// How much is in use.
    pub fn set_used(&self, used: u64) {
        self.used.set(used);
    }

    /// It has refused something.
    pub fn refused(&self) {
        self.refusals.add(1);
    }

    /// How far it goes.
    pub fn most(&self) -> u64 {
        self.most.get()
    }

    /// How much is in use.
    pub fn used(&self) -> u64 {
        self.used.get()
    }

    /// How often it has refused something.
    pub fn refusals(&self) -> u64 {
        self.refusals.get()
    }
}
