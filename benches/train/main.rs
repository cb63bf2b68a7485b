//! The training load of a release. `deploy/build` runs an instrumented bearerd, and this puts typical sidecar load on
//! it, over http and https: `cargo bench --profile dev --bench train -- PATH_OF_BEARERD`. With `rest`, it only starts,
//! gets its token, and serves a call or two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod api;
mod caller;

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use api::Speaks;
use caller::{Call, call};

/// The amount of load.
struct Load {
    speaks: &'static [Speaks],
    connections: usize,
    /// How often each connection makes each kind of request.
    rounds: usize,
}

/// Takes seconds, instrumented.
const FULL: Load = Load { speaks: &[Speaks::Http, Speaks::Https, Speaks::Http2], connections: 8, rounds: 400 };
const REST: Load = Load { speaks: &[Speaks::Http, Speaks::Https], connections: 1, rounds: 1 };

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(binary) = arguments.next() else { return };
    let load = if arguments.next().is_some_and(|argument| argument == "rest") { REST } else { FULL };
    let directory = tempfile::tempdir().unwrap();
    let mut doors = Vec::new();
    for &what in load.speaks {
        doors.push(Door { port: free_port(), api: api::serve(what).await, secure: what != Speaks::Http });
    }
    let config = directory.path().join("bearerd.toml");
    std::fs::write(&config, configuration(&doors)).unwrap();
    let mut bearerd = start(&binary, &config);
    let calls = [Call::get("/1k"), Call::get("/1k"), Call::get("/1k"), Call::post(16 << 10), Call::get("/64k")];
    let mut callers = tokio::task::JoinSet::new();
    for door in &doors {
        for _ in 0..load.connections {
            callers.spawn(call(door.port, calls, load.rounds));
        }
    }
    callers.join_all().await;
    // The counts are written on a regular exit.
    let stopped = Command::new("kill").args(["-s", "TERM", &bearerd.id().to_string()]).status().unwrap();
    assert!(stopped.success() && bearerd.wait().unwrap().success(), "bearerd did not end well");
}

fn start(binary: &str, config: &Path) -> Child {
    Command::new(binary).args(["run", "--config"]).arg(config).spawn().unwrap()
}

/// An upstream: the ports of bearerd and of its API.
struct Door {
    port: u16,
    api: u16,
    secure: bool,
}

fn configuration(doors: &[Door]) -> String {
    let mut text = format!(
        r#"# Written as people write one, since it is read with the counting on.
        [admin]
        listen = "127.0.0.1:{}"
        [limits]
        connections = 4096  # each of them takes two kibibytes
        "#,
        free_port()
    );
    for (number, Door { port, api, secure }) in doors.iter().enumerate() {
        let scheme = if *secure { "https" } else { "http" };
        let tokens = doors[0].api;
        text.push_str(&format!(
            r#"
            [upstream.api-{number}]
            listen  = "127.0.0.1:{port}"
            url     = "{scheme}://127.0.0.1:{api}"
            flow    = "oauth2"
            headers = {{ legal-entity = "Acme AB", api-version = "2.1" }}
            tls     = {{ ca = {ca:?}, server_name = "localhost" }}
            [upstream.api-{number}.with]
            token_url     = "http://127.0.0.1:{tokens}/token"
            client_id     = "training"
            client_secret = "training"
            "#,
            ca = api::certificate(),
        ));
    }
    text
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// How long to wait for bearerd to start.
const PATIENCE: Duration = Duration::from_secs(30);
