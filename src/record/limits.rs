//! The limits that all callers share: maximum, current use and refusals.

use super::cell::Cell;

/// A limit that all callers share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Connections from callers.
    Connections,
    /// Requests in flight.
    Requests,
    /// Sockets of callers and upstreams; each is a file descriptor.
    Sockets,
    /// Bytes held because of callers and upstreams.
    Memory,
}

impl Limit {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Connections, Self::Requests, Self::Sockets, Self::Memory];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Requests => "requests",
            Self::Sockets => "sockets",
            Self::Memory => "memory_bytes",
        }
    }
}

/// The state of one limit.
#[derive(Default, Debug)]
pub struct LimitRecord {
    most: Cell,
    used: Cell,
    refusals: Cell,
}

impl LimitRecord {
    pub fn set_most(&self, most: u64) {
        self.most.set(most);
    }

    pub fn set_used(&self, used: u64) {
        self.used.set(used);
    }

    /// Counts a refusal.
    pub fn refused(&self) {
        self.refusals.add(1);
    }

    pub fn most(&self) -> u64 {
        self.most.get()
    }

    pub fn used(&self) -> u64 {
        self.used.get()
    }

    pub fn refusals(&self) -> u64 {
        self.refusals.get()
    }
}
