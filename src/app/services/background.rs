//! Reads the configuration and its files on a thread of their own. A file system may hang; admin, renewals and shutdown
//! must not hang with it.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::config::{ReadingPlace, reading_place};
use crate::panics::{self, Panicked};

/// A read that takes longer hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// At most one read at a time.
pub(super) struct BackgroundRead<T> {
    running: Option<Running<T>>,
}

struct Running<T> {
    result: oneshot::Receiver<Result<T, Panicked>>,
    place: ReadingPlace,
    deadline: Instant,
    is_late: bool,
}

/// What became of a read.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum ReadEvent<T> {
    /// It ended in time.
    Done(T),
    /// It hangs at this file; no other read can start.
    Late(PathBuf),
    /// It has ended after all. Its result is outdated.
    Recovered,
    /// It panicked, or its thread could not start.
    Failed,
}

impl<T: Send + 'static> BackgroundRead<T> {
    pub(super) fn idle() -> Self {
        Self { running: None }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The file at which the read hangs.
    pub(super) fn hangs_at(&self) -> Option<PathBuf> {
        self.running.as_ref().filter(|running| running.is_late).map(Running::at)
    }

    /// Starts a read, unless one is running.
    pub(super) fn start(&mut self, read: impl FnOnce() -> T + Send + 'static) {
        if self.is_running() {
            return;
        }
        let (send, result) = oneshot::channel();
        let place = ReadingPlace::default();
        let shared = Arc::clone(&place);
        let work = move || {
            reading_place(shared);
            let _ = send.send(panics::catch(read));
        };
        // Not a thread of the runtime: the end of the runtime waits for those.
        if let Err(error) = thread::Builder::new().name("files".to_owned()).spawn(work) {
            tracing::error!(%error, "cannot start a thread to read files");
        }
        self.running = Some(Running { result, place, deadline: Instant::now() + PATIENCE, is_late: false });
    }

    /// The next event; waits while nothing is running.
    pub(super) async fn next(&mut self) -> ReadEvent<T> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let ended = tokio::select! {
            biased;
            ended = &mut running.result => ended,
            () = sleep_until(running.deadline), if !running.is_late => {
                running.is_late = true;
                return ReadEvent::Late(running.at());
            }
        };
        let was_late = running.is_late;
        self.running = None;
        match ended {
            _ if was_late => ReadEvent::Recovered,
            Ok(Ok(read)) => ReadEvent::Done(read),
            Ok(Err(_)) | Err(_) => ReadEvent::Failed,
        }
    }
}

impl<T> Running<T> {
    fn at(&self) -> PathBuf {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::config::{Environment, Loader};

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_told_once_with_its_file_and_its_late_result_is_not_used() {
        let mut background = BackgroundRead::idle();
        let (release, hang) = mpsc::channel::<()>();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bearerd.toml");
        let (loader, (send, begun)) = (Loader::new(Environment::default()).file(&file), oneshot::channel());
        background.start(move || {
            let read = loader.load().is_ok();
            send.send(()).unwrap();
            let _ = hang.recv();
            read
        });
        begun.await.unwrap();
        background.start(|| true);
        assert_eq!(background.next().await, ReadEvent::Late(file.clone()));
        assert_eq!(background.hangs_at(), Some(file));
        assert!(tokio::time::timeout(PATIENCE * 100, background.next()).await.is_err());
        drop(release);
        tokio::time::resume();
        assert_eq!(background.next().await, ReadEvent::Recovered);
        assert!(!background.is_running() && background.hangs_at().is_none());
        background.start(|| true);
        assert_eq!(background.next().await, ReadEvent::Done(true));
    }

    #[tokio::test]
    async fn a_panic_in_a_read_ends_it_alone() {
        let mut background = BackgroundRead::<()>::idle();
        background.start(|| panic!("on purpose"));
        assert_eq!(background.next().await, ReadEvent::Failed);
        background.start(|| ());
        assert_eq!(background.next().await, ReadEvent::Done(()));
    }
}
