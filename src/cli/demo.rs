//! `bearerd demo`: bearerd, and the mocked APIs on a thread of their own.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use tokio::sync::broadcast::error::RecvError;

use super::args;
use super::failure::{CONFIGURATION, CommandFailure, FAILED};
use super::output::Output;
use super::run::serve;
use crate::clock::SystemClock;
use crate::config::{Environment, Loader};
use crate::demo::{self, Demo, StartError};

pub(super) fn demo(args: &args::DemoArgs, output: &Output) -> Result<(), CommandFailure> {
    let (send, receive) = mpsc::channel();
    let (listen, admin) = (args.listen.clone(), args.admin.clone());
    thread::Builder::new()
        .name("demo".into())
        .spawn(move || world(&listen, &admin, &send))
        .map_err(|error| CommandFailure::new(FAILED, format!("cannot start the demo: {error}")))?;
    let started = receive.recv().map_err(|_| CommandFailure::new(FAILED, "the demo ended while it started"))??;
    output.result(&introduction(&started, &args.admin));
    // Real credentials in the environment must not be used in the demo.
    let loader = Loader::new(Environment::default()).text("demo", started.config);
    serve_quietly(loader, output)
}

/// The demo's configuration has plain-text secrets on purpose.
fn serve_quietly(loader: Loader, output: &Output) -> Result<(), CommandFailure> {
    serve(loader, false, &output.without_warnings())
}

struct Started {
    config: String,
    curl: Vec<String>,
}

fn introduction(started: &Started, admin: &str) -> String {
    let lines: Vec<_> = started.curl.iter().map(|line| format!("  {line}\n")).collect();
    format!(
        "bearerd in front of five mocked APIs. Tokens live 30 s; this terminal reports each renewal.\n\n\
         Try, in another terminal:\n{}\nToken states: curl {admin}/status   Stop: Ctrl-C\n\n",
        lines.concat()
    )
}

fn world(listen: &str, admin: &str, send: &Sender<Result<Started, CommandFailure>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return drop(send.send(Err(CommandFailure::new(FAILED, format!("cannot start the demo: {error}")))));
        }
    };
    runtime.block_on(async {
        match demo::start(Arc::new(SystemClock), listen).await {
            Ok(demo) => {
                let started = Started { config: demo.config_toml(admin), curl: demo.curl_lines() };
                let _ = send.send(Ok(started));
                narrate(&demo).await;
            }
            Err(error) => drop(send.send(Err(error.into()))),
        }
    });
}

async fn narrate(demo: &Demo) {
    let (mut events, output) = (demo.events(), Output::plain());
    loop {
        match events.recv().await {
            Ok(event) => output.result(&format!("{event}\n")),
            Err(RecvError::Lagged(missed)) => output.result(&format!("… and {missed} more\n")),
            Err(RecvError::Closed) => return,
        }
    }
}

impl From<StartError> for CommandFailure {
    fn from(error: StartError) -> Self {
        let exit = match error {
            StartError::Listen(_) => CONFIGURATION,
            StartError::Mock(_) => FAILED,
        };
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::new(exit, format!("{error}{cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_configuration_of_the_demo_is_right() {
        for listen in ["localhost:0", "127.0.0.1:8080"] {
            let demo = demo::start(Arc::new(SystemClock), listen).await.unwrap();
            let loader = Loader::new(Environment::default()).text("demo", demo.config_toml("localhost:0"));
            let loaded = loader.load().unwrap_or_else(|report| panic!("{}", report.text(false)));
            assert_eq!(loaded.settings.upstreams.len(), 5);
        }
    }
}
