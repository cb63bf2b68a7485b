//! A process and its output.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::PATIENCE;

/// The binary, with an empty environment.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bearerd"));
    command.env_clear().env("RUST_BACKTRACE", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running process, ended when dropped.
pub struct Process {
    child: Child,
    log: Log,
}

impl Process {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = Log::default();
        log.follow(child.stdout.take().unwrap());
        log.follow(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Its output.
    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut ended = None;
        for _ in 0..PATIENCE.as_millis() / 10 {
            ended = self.child.try_wait().unwrap();
            if ended.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        ended.expect("the process ends")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let lines = self.log.lines();
            eprintln!("its log ended with:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// The output of a process, line by line, as it is written.
#[derive(Clone, Default)]
pub struct Log(Arc<Lines>);

#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    /// How many of its two streams have ended; also changes with every line.
    ended: watch::Sender<u8>,
}

impl Log {
    fn follow(&self, stream: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                log.0.lines.lock().unwrap().push(line);
                log.0.ended.send_modify(|_| {});
            }
            log.0.ended.send_modify(|ended| *ended += 1);
        });
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lines.lock().unwrap().clone()
    }

    /// All lines so far, as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The first line, past or future, for which `wanted` returns a value.
    pub async fn wait_for<T>(&self, what: &str, mut wanted: impl FnMut(&str) -> Option<T>) -> T {
        let (mut ended, mut seen) = (self.0.ended.subscribe(), 0);
        let found = async {
            loop {
                let over = *ended.borrow_and_update() == 2;
                let lines = self.lines();
                if let Some(found) = lines[seen..].iter().find_map(|line| wanted(line)) {
                    return Some(found);
                }
                seen = lines.len();
                if over {
                    return None;
                }
                ended.changed().await.unwrap();
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.ok().flatten().unwrap_or_else(|| panic!("no line of the log: {what}; got:\n{}", self.text()))
    }

    /// Waits for a line with this text.
    pub async fn says(&self, text: &str) -> String {
        self.wait_for(text, |line| line.contains(text).then(|| line.to_owned())).await
    }

    /// How many lines so far contain this text.
    pub fn count(&self, text: &str) -> usize {
        self.lines().iter().filter(|line| line.contains(text)).count()
    }
}
