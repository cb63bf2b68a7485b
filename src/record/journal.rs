//! The most recent requests, and the access log.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, SystemTime};

use super::cell::Cell;
use super::{Blame, Finished, Replay};

/// How many requests are kept.
const KEPT: usize = 200;
/// The maximum length of a kept path or method in bytes: callers choose them.
const TEXT: usize = 512;

/// Which requests are logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum AccessLog {
    /// Requests with a status of 400 or more, and responses that ended early.
    #[default]
    Errors,
    /// All.
    All,
    /// None.
    Off,
}

/// A completed request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalEntry {
    /// The number of the request, counted over all upstreams.
    pub sequence: u64,
    pub at: SystemTime,
    pub upstream: Arc<str>,
    pub method: String,
    /// Its path without the query, at most 512 bytes.
    pub path: String,
    /// The status that the caller got; 0 if the caller disconnected before.
    pub status: u16,
    /// The error code, if bearerd itself responded.
    pub code: Option<&'static str>,
    pub blame: Blame,
    /// Whether the response ended early.
    pub cut: bool,
    pub attempts: u8,
    /// From its head to the end of the response.
    pub whole: Duration,
    /// From sending it to the upstream's response head.
    pub to_head: Option<Duration>,
    /// The outcome of the repeat, if the response rejected the token.
    pub replay: Option<Replay>,
}

impl JournalEntry {
    /// Who produced the response.
    pub fn answered_by(&self) -> &'static str {
        answered_by(self.status, self.code)
    }
}

fn answered_by(status: u16, code: Option<&'static str>) -> &'static str {
    match (status, code) {
        (0, _) => "nobody",
        (_, Some(_)) => "bearerd",
        (_, None) => "upstream",
    }
}

/// The most recent requests of all upstreams. Each entry has its own lock. A writer that finds an entry locked by a
/// reader uses the next one, so the data thread never waits, not even for a suspended reader, and no request is lost.
#[derive(Debug)]
pub struct Journal {
    places: Box<[Mutex<Option<JournalEntry>>]>,
    sequence: Cell,
    access: AtomicU8,
}

impl Default for Journal {
    fn default() -> Self {
        let places = (0..KEPT).map(|_| Mutex::new(None)).collect();
        Self { places, sequence: Cell::default(), access: AtomicU8::new(AccessLog::Errors as u8) }
    }
}

impl Journal {
    /// Sets which requests are logged.
    pub fn log(&self, which: AccessLog) {
        self.access.store(which as u8, Ordering::Relaxed);
    }

    /// The requests after this number, oldest first; 0 for all that are kept.
    pub fn after(&self, sequence: u64) -> Vec<JournalEntry> {
        let read = |place: &Mutex<Option<JournalEntry>>| place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut entries: Vec<_> = self.places.iter().filter_map(read).filter(|e| e.sequence > sequence).collect();
        entries.sort_unstable_by_key(|entry| entry.sequence);
        entries
    }

    pub(super) fn add(&self, upstream: &Arc<str>, request: &Finished<'_>) {
        if self.is_logged(request.status, request.cut) {
            log(upstream, request);
        }
        for _ in 0..KEPT {
            self.sequence.add(1);
            let sequence = self.sequence.get();
            let place = usize::try_from(sequence % KEPT as u64).unwrap_or_default();
            let mut entry = match self.places[place].try_lock() {
                Ok(entry) => entry,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => continue,
            };
            return entry.get_or_insert_with(|| JournalEntry::empty(upstream)).fill(sequence, upstream, request);
        }
    }

    fn is_logged(&self, status: u16, cut: bool) -> bool {
        let which = self.access.load(Ordering::Relaxed);
        which == AccessLog::All as u8 || (which == AccessLog::Errors as u8 && (cut || status == 0 || status >= 400))
    }
}

impl JournalEntry {
    fn empty(upstream: &Arc<str>) -> Self {
        Self {
            sequence: 0,
            at: SystemTime::UNIX_EPOCH,
            upstream: Arc::clone(upstream),
            method: String::new(),
            path: String::new(),
            status: 0,
            code: None,
            blame: Blame::None,
            cut: false,
            attempts: 0,
            whole: Duration::ZERO,
            to_head: None,
            replay: None,
        }
    }

    /// Copies a request into the entry's existing strings.
    fn fill(&mut self, sequence: u64, upstream: &Arc<str>, request: &Finished<'_>) {
        self.sequence = sequence;
        self.at = request.at;
        self.upstream.clone_from(upstream);
        refill(&mut self.method, request.method.as_str());
        refill(&mut self.path, request.path);
        self.status = request.status;
        self.code = request.code;
        self.blame = request.blame;
        self.cut = request.cut;
        self.attempts = request.attempts;
        self.whole = request.whole;
        self.to_head = request.upstream;
        self.replay = request.replay;
    }
}

fn refill(text: &mut String, with: &str) {
    text.clear();
    text.push_str(&with[..with.floor_char_boundary(TEXT)]);
}

/// Logs a request.
fn log(upstream: &str, request: &Finished<'_>) {
    let millis = |took: Duration| took.as_secs_f64() * 1000.0;
    tracing::info!(
        target: "bearerd::access",
        upstream,
        method = request.method.as_str(),
        path = request.path,
        status = request.status,
        code = request.code,
        cut = request.cut.then_some(true),
        by = answered_by(request.status, request.code),
        attempts = request.attempts,
        generation = request.generation,
        ms = millis(request.whole),
        head_ms = request.upstream.map(millis),
        "request"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_steps_over_a_place_that_is_being_read() {
        let journal = Journal::default();
        let request = Finished {
            at: SystemTime::UNIX_EPOCH,
            method: &http::Method::GET,
            path: "/",
            status: 200,
            code: None,
            blame: Blame::None,
            cut: false,
            attempts: 1,
            generation: None,
            whole: Duration::ZERO,
            upstream: None,
            replay: None,
        };
        let read = journal.places[1].lock().unwrap();
        journal.add(&"younium".into(), &request);
        drop(read);
        journal.add(&"younium".into(), &request);
        let sequences: Vec<_> = journal.after(0).iter().map(|entry| entry.sequence).collect();
        assert_eq!(sequences, [2, 3]);
    }

    #[test]
    fn errors_are_logged_unless_all_or_nothing_is() {
        let journal = Journal::default();
        let logged = |which| {
            journal.log(which);
            [0, 200, 302, 399, 400, 404, 500].map(|status| u8::from(journal.is_logged(status, false)))
        };
        assert_eq!(logged(AccessLog::Errors), [1, 0, 0, 0, 1, 1, 1]);
        assert_eq!(logged(AccessLog::All), [1; 7]);
        assert_eq!(logged(AccessLog::Off), [0; 7]);
        journal.log(AccessLog::Errors);
        assert!(journal.is_logged(200, true), "broken off");
    }
}
