//! A real bearerd in front of the outside world in a box: tests say what they configure and judge by what arrived.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that anything here is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running bearerd, ended when dropped.
pub(crate) struct Bearerd {
    child: Child,
    log: Log,
    /// Where each upstream listens, by its name.
    listeners: BTreeMap<String, SocketAddr>,
    admin: SocketAddr,
    _directory: tempfile::TempDir,
}

/// Everything that it wrote, line by line, as it comes.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    fn follow(&self, stream: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                log.0.0.lock().unwrap().push(line);
                log.0.1.notify_all();
            }
        });
    }

    /// All lines so far.
    pub(crate) fn text(&self) -> String {
        self.0.0.lock().unwrap().join("\n")
    }

    /// The first line, past or future, that `wanted` makes something of.
    pub(crate) fn wait_for<T>(&self, what: &str, mut wanted: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.0.0.lock().unwrap();
        let mut seen = 0;
        loop {
            if let Some(found) = lines[seen..].iter().find_map(|line| wanted(line)) {
                return found;
            }
            seen = lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no log line: {what}; got:\n{}", lines.join("\n"));
            lines = self.0.1.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// How many lines so far hold this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.0.0.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }
}

/// The binary with a clean environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bearerd"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Bearerd {
    /// Runs it with this configuration; listeners should have port 0. The admin listener is added.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_with(configuration, |_| {})
    }

    /// The same, with a say in arguments and environment.
    pub(crate) fn start_with(configuration: &str, adjust: impl FnOnce(&mut Command)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bearerd.toml");
        std::fs::write(&file, format!("{configuration}\n[admin]\nlisten = \"127.0.0.1:0\"\n")).unwrap();
        let mut command = command();
        command.args(["run", "--config"]).arg(&file).env("BEARERD_LOG__FORMAT", "json").env("RUST_BACKTRACE", "1");
        adjust(&mut command);
        let mut child = command.spawn().unwrap();
        let log = Log::default();
        log.follow(child.stdout.take().unwrap());
        log.follow(child.stderr.take().unwrap());
        let (listeners, admin) = listening(&log, configuration);
        Self { child, log, listeners, admin, _directory: directory }
    }

    /// Where an upstream listens.
    pub(crate) fn address(&self, upstream: &str) -> SocketAddr {
        self.listeners[upstream]
    }

    /// A URL of an upstream.
    pub(crate) fn url(&self, upstream: &str, path: &str) -> String {
        format!("http://{}{path}", self.address(upstream))
    }

    /// The admin listener.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `GET` on the admin listener, as status and text.
    pub(crate) async fn admin_get(&self, path: &str) -> (u16, String) {
        let answer = client().get(format!("http://{}{path}", self.admin)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// `/status` as JSON.
    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&self.admin_get("/status").await.1).unwrap()
    }

    /// The sum of a metric's samples whose label text holds all of `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let (_, text) = self.admin_get("/metrics").await;
        let samples = text.lines().filter(|line| {
            let rest = line.strip_prefix(name).unwrap_or("");
            (rest.starts_with('{') || rest.starts_with(' ')) && labels.iter().all(|label| rest.contains(label))
        });
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until `/readyz` answers 200.
    pub(crate) async fn ready(&self) -> &Self {
        eventually("ready", || async { self.admin_get("/readyz").await.0 == 200 }).await;
        self
    }

    /// Waits until an upstream is in this state.
    pub(crate) async fn in_state(&self, upstream: &str, state: &str) {
        eventually(&format!("{upstream} is {state}"), || async {
            let status = self.status().await;
            let upstreams = status["upstreams"].as_array().unwrap().clone();
            upstreams.iter().any(|one| one["name"] == upstream && one["state"] == state)
        })
        .await;
    }

    /// Sends a signal by name, as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running; log:\n{}", self.log.text());
            std::thread::yield_now();
        }
    }
}

impl Drop for Bearerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of bearerd:\n{}", self.log.text());
        }
    }
}

/// Reads the addresses out of the `listening` lines, one per upstream and one for admin.
fn listening(log: &Log, configuration: &str) -> (BTreeMap<String, SocketAddr>, SocketAddr) {
    let wanted = configuration.lines().filter_map(|line| line.trim().strip_prefix("[upstream.")?.strip_suffix(']'));
    let wanted: Vec<&str> = wanted.filter(|name| !name.contains('.')).collect();
    let address = |upstream: Option<&str>| {
        log.wait_for(&format!("listening for {upstream:?}"), |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            let fields = event.get("fields").unwrap_or(&event);
            (fields["message"] == "listening" && fields.get("upstream").and_then(Value::as_str) == upstream)
                .then(|| fields["address"].as_str().unwrap().parse().ok())?
        })
    };
    (wanted.iter().map(|name| ((*name).to_owned(), address(Some(name)))).collect(), address(None))
}

/// A client that follows nothing, keeps connections and uses no ambient proxy.
pub(crate) fn client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).timeout(PATIENCE).build().unwrap()
}

/// Polls until the condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
