//! The log of received requests and their results.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::watch;

use super::api::Api;

/// How many requests are kept; older ones are only counted.
const KEPT: usize = 20_000;
/// How many bytes of a body are kept.
pub(super) const BODY_KEPT: usize = 4096;

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A token request with credentials.
    Login,
    /// A token request with a refresh token.
    Refresh,
    /// A revocation.
    Revoke,
    /// An API call.
    Call,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Login, Self::Refresh, Self::Revoke, Self::Call];
}

/// How the response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has not ended yet.
    Open,
    /// It was sent completely.
    Complete,
    /// The caller disconnected, or the connection was closed on purpose.
    Cut,
}

/// A received request.
#[derive(Clone, Debug)]
pub struct Received {
    pub api: Api,
    pub kind: Kind,
    /// The number of its connection, counted from 1 over all APIs.
    pub connection: u64,
    pub method: String,
    /// The target as sent, query included.
    pub target: String,
    /// Its headers, with lower-case names in order of first appearance; equal names are grouped.
    pub headers: Vec<(String, String)>,
    /// The first 4 KiB of its body. A call's body is recorded once it was read.
    pub body: Vec<u8>,
    /// The length of its body, as far as it was read.
    pub body_length: u64,
    /// The number of the token that a call sent or a login returned, from 1 within the API.
    pub token: Option<u64>,
    /// The user of that token.
    pub subject: Option<String>,
    /// The status of the response, once its head was sent.
    pub status: Option<u16>,
    /// How the response ended.
    pub end: End,
}

impl Received {
    /// The first value of this header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The token of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bearer {
    /// Its number, from 1; `None` if the API needs no token.
    pub(super) number: Option<u64>,
    /// Its user.
    pub(super) subject: Option<String>,
}

/// Headers as pairs. Bytes beyond ASCII are read as Latin-1, so that none is lost.
pub(super) fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let latin1 = |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect();
    headers.iter().map(|(name, value)| (name.to_string(), latin1(value.as_bytes()))).collect()
}

/// Locks a mutex, even if a test panicked while holding it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct KeptLog {
    before: u64,
    entries: VecDeque<Received>,
    counts: HashMap<(Api, Kind), u64>,
}

/// The log that all APIs share.
pub(super) struct Log {
    kept: Mutex<KeptLog>,
    changes: watch::Sender<()>,
}

impl Log {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), changes: watch::Sender::new(()) })
    }

    /// Records a request. The returned entry records the rest.
    pub(super) fn arrived(self: &Arc<Self>, received: Received) -> LogEntry {
        let mut kept = lock(&self.kept);
        *kept.counts.entry((received.api, received.kind)).or_default() += 1;
        if kept.entries.len() == KEPT {
            kept.entries.pop_front();
            kept.before += 1;
        }
        kept.entries.push_back(received);
        let at = kept.before + kept.entries.len() as u64 - 1;
        drop(kept);
        self.changes.send_replace(());
        LogEntry { log: self.clone(), at, ended: false }
    }

    pub(super) fn all(&self) -> Vec<Received> {
        lock(&self.kept).entries.iter().cloned().collect()
    }

    pub(super) fn count(&self, api: Api, kind: Kind) -> u64 {
        lock(&self.kept).counts.get(&(api, kind)).copied().unwrap_or_default()
    }

    pub(super) fn forget(&self) {
        let mut kept = lock(&self.kept);
        kept.before += kept.entries.len() as u64;
        kept.entries.clear();
        kept.counts.clear();
    }

    pub(super) async fn wait_for(&self, mut enough: impl FnMut(&[Received]) -> bool, within: Duration) -> bool {
        let mut changes = self.changes.subscribe();
        let seen = async {
            while !enough(lock(&self.kept).entries.make_contiguous()) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(within, seen).await.is_ok()
    }
}

/// The log entry of a running request. If it is dropped early, the request is recorded as cut.
pub(super) struct LogEntry {
    log: Arc<Log>,
    at: u64,
    ended: bool,
}

impl LogEntry {
    /// Updates the record, if it is still kept.
    pub(super) fn note(&self, change: impl FnOnce(&mut Received)) {
        let mut kept = lock(&self.log.kept);
        let index = self.at.checked_sub(kept.before).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| kept.entries.get_mut(index)) {
            change(entry);
        }
        drop(kept);
        self.log.changes.send_replace(());
    }

    pub(super) fn complete(&mut self) {
        self.ended = true;
        self.note(|received| received.end = End::Complete);
    }
}

impl Drop for LogEntry {
    fn drop(&mut self) {
        if !self.ended {
            self.note(|received| received.end = End::Cut);
        }
    }
}
