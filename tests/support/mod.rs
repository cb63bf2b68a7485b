//! A real bearerd in front of the mocked APIs: tests configure it and check what arrived.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test binary uses its part")]

mod caller;
mod certificates;
mod door;
mod eventually;
mod process;
mod redis;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use bearerd::clock::SystemClock;
use bearerd::demo::mock::Mock;
use serde_json::Value;

pub use caller::{Answer, Wire, call, client, get, post, problem};
pub use certificates::Authority;
pub use door::Door;
pub use eventually::{PATIENCE, eventually};
pub use process::{Log, Process, command};
pub use redis::{Redis, table};

/// Starts the mocked APIs.
pub async fn outside() -> Mock {
    Mock::start(Arc::new(SystemClock)).await.unwrap()
}

/// A running bearerd, ended when dropped.
pub struct Bearerd {
    process: Process,
    /// Where each upstream listens, by its name.
    listeners: BTreeMap<String, SocketAddr>,
    admin: SocketAddr,
    directory: tempfile::TempDir,
}

impl Bearerd {
    /// Runs it with this configuration. Listeners should have port 0. An admin listener is added if there is none.
    pub async fn start(configuration: impl AsRef<str>) -> Self {
        Self::start_with(configuration, |_| {}).await
    }

    /// The same, with other arguments and environment variables.
    pub async fn start_with(configuration: impl AsRef<str>, adjust: impl FnOnce(&mut Command)) -> Self {
        let (configuration, directory) = (configuration.as_ref(), tempfile::tempdir().unwrap());
        let file = directory.path().join("bearerd.toml");
        std::fs::write(&file, with_admin(configuration)).unwrap();
        let mut command = command();
        command.args(["run", "--config"]).arg(&file).env("BEARERD_LOG__FORMAT", "json");
        adjust(&mut command);
        let process = Process::start(command);
        let (listeners, admin) = listening(process.log(), configuration).await;
        Self { process, listeners, admin, directory }
    }

    /// The address of an upstream.
    pub fn address(&self, upstream: &str) -> SocketAddr {
        self.listeners[upstream]
    }

    /// A URL of an upstream.
    pub fn url(&self, upstream: &str, path: &str) -> String {
        format!("http://{}{path}", self.address(upstream))
    }

    /// The admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A URL of the admin listener.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// The directory of its configuration.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its output.
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// Writes another configuration and reloads.
    pub async fn reload(&self, configuration: impl AsRef<str>) -> Answer {
        self.write(configuration);
        post(&self.admin_url("/reload"), "").await
    }

    /// Writes another configuration.
    pub fn write(&self, configuration: impl AsRef<str>) {
        let file = self.directory.path().join("bearerd.toml");
        std::fs::write(file, with_admin(configuration.as_ref())).unwrap();
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether it is running.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.ended().await
    }

    /// Forces a renewal.
    pub async fn refresh(&self, upstream: &str) -> Answer {
        post(&self.admin_url(&format!("/refresh?upstream={upstream}")), "").await
    }

    /// `/status` as JSON.
    pub async fn status(&self) -> Value {
        get(&self.admin_url("/status")).await.json()
    }

    /// An upstream's part of `/status`.
    pub async fn status_of(&self, upstream: &str) -> Value {
        let status = self.status().await;
        let upstreams = status["upstreams"].as_array().unwrap();
        upstreams.iter().find(|one| one["name"] == upstream).unwrap().clone()
    }

    /// The sum of a metric's samples whose labels contain all of `labels`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = get(&self.admin_url("/metrics")).await.text();
        let samples = text.lines().filter(|line| {
            let rest = line.strip_prefix(name).unwrap_or("");
            (rest.starts_with('{') || rest.starts_with(' ')) && labels.iter().all(|label| rest.contains(label))
        });
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(&self) -> &Self {
        eventually("ready", || async { get(&self.admin_url("/readyz")).await.status == 200 }).await;
        self
    }

    /// Waits until an upstream is in this state.
    pub async fn in_state(&self, upstream: &str, state: &str) {
        let what = format!("{upstream} is {state}");
        eventually(&what, || async { self.status_of(upstream).await["state"] == state }).await;
    }

    /// How many changes of an upstream to this state the log has.
    pub fn changes_to(&self, upstream: &str, state: &str) -> usize {
        let tells = |line: &str| {
            let event = event(line);
            event["upstream"] == upstream && event["state"] == state
        };
        self.log().lines().iter().filter(|line| tells(line)).count()
    }
}

fn with_admin(configuration: &str) -> String {
    let admin = if configuration.contains("[admin]") { "" } else { "\n[admin]\nlisten = \"127.0.0.1:0\"\n" };
    format!("{configuration}{admin}")
}

/// Reads the addresses out of the `listening` lines, one per upstream and one for admin.
async fn listening(log: &Log, configuration: &str) -> (BTreeMap<String, SocketAddr>, SocketAddr) {
    let doors = configuration.lines().filter_map(|line| line.trim().strip_prefix("[upstream.")?.strip_suffix(']'));
    let mut listeners = BTreeMap::new();
    for door in doors.filter(|door| !door.contains('.')) {
        listeners.insert(door.to_owned(), listener(log, Some(door)).await);
    }
    (listeners, listener(log, None).await)
}

/// No address for a unix socket.
async fn listener(log: &Log, upstream: Option<&str>) -> SocketAddr {
    let what = format!("listening for {upstream:?}");
    let address = log.wait_for(&what, |line| {
        let event = event(line);
        let ours = event["message"] == "listening" && event.get("upstream").and_then(Value::as_str) == upstream;
        ours.then(|| event["address"].as_str().unwrap().to_owned())
    });
    address.await.parse().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
}

/// A log line as JSON; null if it is none.
pub fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_default()
}
