//! What arrived: every request, in order, with what became of it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::watch;

use super::api::Api;

/// So many requests are kept; older ones are only counted.
const KEPT: usize = 20_000;
/// So much of a body is kept.
pub(super) const BODY_KEPT: usize = 4096;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A token for credentials.
    Login,
    /// A token for a refresh token.
    Refresh,
    /// The end of a token.
    Revoke,
    /// A call of the API.
    Call,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Login, Self::Refresh, Self::Revoke, Self::Call];
}

/// How far the answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Not yet answered to the end.
    Open,
    /// The answer was sent whole.
    Complete,
    /// The caller went away first, or the connection was ended on purpose.
    Cut,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Where.
    pub api: Api,
    /// What it was for.
    pub kind: Kind,
    /// On which connection, counted from 1 over all APIs.
    pub connection: u64,
    /// Its method.
    pub method: String,
    /// Its target as sent, query included.
    pub target: String,
    /// Its headers: lower-case names in the order of their first appearance, lines of one name together.
    pub headers: Vec<(String, String)>,
    /// The first 4 KiB of its body; a call's is known once it was read.
    pub body: Vec<u8>,
    /// Length of its body, as far as it was read.
    pub body_length: u64,
    /// The token that a call brought or a login gave, counted from 1 within the API.
    pub token: Option<u64>,
    /// The user whose token that is.
    pub subject: Option<String>,
    /// Status of the answer, once its head was sent.
    pub status: Option<u16>,
    /// How far the answer came.
    pub end: End,
}

impl Received {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The token that a call brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bearer {
    /// Which one it was, counted from 1; none where the API asks for no token.
    pub(super) number: Option<u64>,
    /// The user it stands for.
    pub(super) subject: Option<String>,
}

/// Headers as pairs; bytes beyond ASCII are read as Latin-1, so that none is lost.
pub(super) fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let latin1 = |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect();
    headers.iter().map(|(name, value)| (name.to_string(), latin1(value.as_bytes()))).collect()
}

/// A lock that a panicking test cannot take away from the others.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct KeptLog {
    before: u64,
    entries: VecDeque<Received>,
    counts: HashMap<(Api, Kind), u64>,
}

/// The log that all APIs write to.
pub(super) struct Log {
    kept: Mutex<KeptLog>,
    changes: watch::Sender<()>,
}

impl Log {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), changes: watch::Sender::new(()) })
    }

    /// Writes a request down; the entry tells the rest of its story.
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

/// One line of the log, while its request lives. Dropped before its end, it says that the request was cut.
pub(super) struct LogEntry {
    log: Arc<Log>,
    at: u64,
    ended: bool,
}

impl LogEntry {
    /// Adds to the line, if it is still kept.
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
