//! When files are read: after a change, or on request. Reloads wait for the read that is running, but not for one that
//! hangs.

use std::path::Path;

use tokio::sync::oneshot;

use super::background::{BackgroundRead, PATIENCE, ReadEvent};
use crate::config::{Fingerprint, Inputs, Loaded, Loader, Report};
use crate::panics::Panicked;

/// A command that waits for its reload; `None` for a signal, whose failure is logged.
pub(in crate::app) type Asker = Option<oneshot::Sender<Result<String, String>>>;

/// The configuration as it was read.
pub(in crate::app) type LoadResult = Result<Loaded, Report>;

/// Files, and their state when they were last read.
pub(super) type WatchedFiles = (Inputs, Fingerprint);

/// The result of a read.
pub(super) enum FilesRead {
    /// No file has changed.
    Same,
    /// A reload was asked for.
    Asked(LoadResult),
    /// The configuration that `--watch` observes has changed; its state.
    Configuration(Fingerprint, LoadResult),
    /// Files of these upstreams have changed: index and state.
    Upstreams(Vec<(usize, Fingerprint)>, LoadResult),
}

pub(super) struct Reader {
    loader: Loader,
    background: BackgroundRead<FilesRead>,
    /// They get the result of the running read.
    answering: Vec<Asker>,
    /// They asked during the running read.
    waiting: Vec<Asker>,
}

impl Reader {
    pub(super) fn new(loader: Loader) -> Self {
        Self { loader, background: BackgroundRead::idle(), answering: Vec::new(), waiting: Vec::new() }
    }

    /// Reads the configuration, now or after the running read.
    pub(super) fn ask(&mut self, asker: Asker) {
        self.waiting.push(asker);
        match self.background.hangs_at() {
            Some(file) => self.refuse_all(&hanging(&file)),
            None => self.start_waiting(),
        }
    }

    /// Reads the files that have changed, unless a read is running.
    pub(super) fn look(&mut self, configuration: Option<WatchedFiles>, upstreams: Vec<WatchedFiles>) {
        if configuration.is_none() && upstreams.iter().all(|(files, _)| files.is_empty()) {
            return;
        }
        let loader = self.loader.clone();
        self.background.start(move || read(&loader, configuration, upstreams));
    }

    /// The next result.
    pub(super) async fn next(&mut self) -> FilesRead {
        loop {
            match self.background.next().await {
                ReadEvent::Done(FilesRead::Same) => {}
                ReadEvent::Done(FilesRead::Asked(result)) => return FilesRead::Asked(result),
                ReadEvent::Done(read) => {
                    self.start_waiting();
                    return read;
                }
                ReadEvent::Late(file) => {
                    let why = hanging(&file);
                    tracing::warn!(
                        "{why}. Until it responds, changed secrets, certificates and settings are not noticed; tokens are \
                         renewed and calls are forwarded as before"
                    );
                    self.refuse_all(&why);
                }
                ReadEvent::Recovered => tracing::info!("files can be read again"),
                ReadEvent::Failed => self.answer(&Err(Panicked.to_string())),
            }
            self.start_waiting();
        }
    }

    /// Answers those who asked for the read that has ended, and starts the next one.
    pub(super) fn answer(&mut self, result: &Result<String, String>) {
        answer(self.answering.drain(..), result);
        self.start_waiting();
    }

    fn start_waiting(&mut self) {
        if self.waiting.is_empty() || self.background.is_running() {
            return;
        }
        self.answering = std::mem::take(&mut self.waiting);
        let loader = self.loader.clone();
        self.background.start(move || FilesRead::Asked(loader.load()));
    }

    fn refuse_all(&mut self, why: &str) {
        let all = self.answering.drain(..).chain(self.waiting.drain(..));
        answer(all, &Err(format!("{why}; nothing changed")));
    }
}

fn hanging(file: &Path) -> String {
    let seconds = PATIENCE.as_secs();
    format!("reading `{}` has not ended within {seconds} s: check the file system that it is on", file.display())
}

fn answer(askers: impl Iterator<Item = Asker>, result: &Result<String, String>) {
    for asker in askers {
        match (asker, result) {
            (Some(asker), result) => drop(asker.send(result.clone())),
            (None, Err(problems)) => tracing::error!("{problems}"),
            (None, Ok(_)) => {}
        }
    }
}

fn read(loader: &Loader, configuration: Option<WatchedFiles>, upstreams: Vec<WatchedFiles>) -> FilesRead {
    let changed = |(files, before): WatchedFiles| {
        let seen = files.fingerprint();
        (seen != before).then_some(seen)
    };
    if let Some(seen) = configuration.and_then(changed) {
        return FilesRead::Configuration(seen, loader.load());
    }
    let upstreams = upstreams.into_iter().enumerate();
    let changed: Vec<_> = upstreams.filter_map(|(index, watched)| Some((index, changed(watched)?))).collect();
    if changed.is_empty() { FilesRead::Same } else { FilesRead::Upstreams(changed, loader.load()) }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::config::Environment;

    fn asked(reader: &mut Reader) -> oneshot::Receiver<Result<String, String>> {
        let (send, answer) = oneshot::channel();
        reader.ask(Some(send));
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_does_not_wait_for_a_read_that_hangs() {
        let mut reader = Reader::new(Loader::new(Environment::default()).text("bearerd.toml", ""));
        let (release, hang) = mpsc::channel::<()>();
        reader.background.start(move || {
            let _ = hang.recv();
            FilesRead::Same
        });
        let answer = asked(&mut reader);
        assert!(timeout(PATIENCE * 10, reader.next()).await.is_err());
        for answer in [answer, asked(&mut reader)] {
            let why = answer.await.unwrap().unwrap_err();
            assert!(why.contains("has not ended within 5 s") && why.contains("nothing changed"), "{why}");
        }
        tokio::time::resume();
        drop(release);
        while reader.background.is_running() {
            let _ = timeout(Duration::from_millis(1), reader.next()).await;
        }
        let first = asked(&mut reader);
        let second = asked(&mut reader);
        for answer in [first, second] {
            assert!(matches!(reader.next().await, FilesRead::Asked(Err(_))), "there is no upstream");
            reader.answer(&Err("none".to_owned()));
            assert_eq!(answer.await.unwrap(), Err("none".to_owned()));
        }
    }
}
