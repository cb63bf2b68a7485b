//! A real Redis, if it is installed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::eventually;

/// A running redis-server on a unix socket, or a port with TLS. It loses everything when it is killed.
pub struct Redis {
    child: Option<Child>,
    directory: tempfile::TempDir,
    options: Vec<String>,
}

impl Redis {
    /// Whether it is installed. If not, the test is skipped, or fails with CI=true.
    #[allow(clippy::explicit_write, reason = "output that a passing test prints with a macro is not shown")]
    pub fn is_here(test: &str) -> bool {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !found {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "needs redis-server");
            writeln!(std::io::stderr(), "skip {test}: needs redis-server").unwrap();
        }
        found
    }

    /// On a unix socket.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with other options.
    pub async fn start_with(options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut redis = Self { child: None, directory: tempfile::tempdir().unwrap(), options };
        redis.again().await;
        redis
    }

    /// The directory of its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn socket(&self) -> PathBuf {
        self.directory().join("redis.sock")
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The `[store]` table for it.
    pub fn table(&self) -> String {
        table(&self.url())
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            let _ = std::fs::remove_file(self.socket());
        }
    }

    /// Starts it again, empty.
    pub async fn again(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--save", "", "--appendonly", "no", "--port", "0", "--unixsocket"]).arg(self.socket());
        command.arg("--dir").arg(self.directory()).args(&self.options);
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        eventually("Redis listens", || async { self.socket().exists() }).await;
    }

    /// The answer to a command, as `redis-cli` prints it.
    pub fn ask(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli").arg("-s").arg(self.socket()).args(command).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The `[store]` table for this URL.
pub fn table(url: &str) -> String {
    format!("\n[store]\nkind = \"redis\"\nurl = \"{url}\"\nkey = \"a-key-to-seal-with-0123456789\"\n")
}
