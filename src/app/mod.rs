//! Runs the settings as a process with two threads, listeners, and a graceful shutdown.
//!
//! [`run`] is the life of the process. The data thread belongs to `proxy`. This one, the control thread, owns tokens,
//! files, signals and the admin listener. `build` builds one upstream, `services` holds all of them and reacts to
//! changes.

mod admin_service;
mod build;
mod cgroup;
mod descriptors;
mod failure;
mod fixed;
mod listeners;
pub mod one_token;
mod services;
mod signals;
pub mod store;
mod view;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::admin::{Admin, AdminCommand, Born};
use crate::allocator;
use crate::clock::{Beats, SharedClock, SystemClock};
use crate::config::{Loaded, Loader, LogFormat, LogSettings, Runtime, Settings, UpstreamConfig};
use crate::guard::Access;
use crate::panics;
use crate::proxy::server::DataThread;
use crate::proxy::settings::{Bounds, Limits};
use crate::record::ProxyRecord;
use crate::shutdown::{self, Phase, Shutdown, Trigger};
use crate::telemetry::{LineFormat, Telemetry};
use crate::tls;
use crate::token::pool::TokenPool;
use admin_service::AdminService;
use build::Builder;
use failure::cannot_start;
use listeners::Listeners;
use services::{LoadResult, Services};
use signals::{SignalRequest, Signals};

pub use failure::RunFailure;

/// The time limit for best-effort work at the end: saving, revoking.
const FAREWELL: Duration = Duration::from_secs(2);

/// The inputs of a process.
pub struct Start {
    /// Loads the configuration again, for reloads and changed secrets.
    pub loader: Loader,
    /// The first configuration.
    pub loaded: Loaded,
    /// Whether a changed configuration file causes a reload.
    pub watch: bool,
    /// Whether log lines for a terminal may be coloured.
    pub colour: bool,
}

/// Serves until a signal.
pub fn run(start: Start) -> Result<(), RunFailure> {
    let _telemetry = telemetry(&start.loaded.settings.log, start.colour)?;
    descriptors::raise();
    allocator::give_back();
    let beats = Beats::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(cannot_start)?;
    let ended = runtime.block_on(async { App::start(start)?.serve(beats).await });
    // A store on a file system that hangs must not prevent the end.
    runtime.shutdown_timeout(FAREWELL);
    ended
}

/// The state of the control thread.
struct App {
    admin_service: AdminService,
    listeners: Listeners,
    services: Services,
    data: DataThread,
    pool: TokenPool,
    runtime: Runtime,
    clock: SharedClock,
    signals: Signals,
    commands: mpsc::Receiver<AdminCommand>,
    trigger: Trigger,
}

impl App {
    fn start(start: Start) -> Result<Self, RunFailure> {
        let Start { loader, mut loaded, watch, .. } = start;
        read_roots_beside(&loaded.settings);
        let clock: SharedClock = Arc::new(SystemClock);
        let signals = Signals::new(Arc::clone(&clock)).map_err(cannot_start)?;
        let (trigger, shutdown) = shutdown::channel();
        let (send, commands) = mpsc::channel(16);
        // Bound first: an address in use must not cost a token request.
        let listeners = Listeners::bind(&mut loaded.settings).map_err(cannot_start)?;
        listeners.announce(&loaded.settings);
        let pool = pool(&loaded.settings, &clock)?;
        let proxy = Arc::new(ProxyRecord::default());
        let admin = Arc::new(admin_of(&loaded.settings, &clock, &proxy, &shutdown, send));
        let (runtime, limits) = (loaded.settings.runtime.clone(), loaded.settings.limits.clone());
        let bounds = bounds(&limits, loaded.settings.upstreams.len());
        let builder = Builder::new(Arc::clone(&clock), pool.clone(), &loaded.settings);
        let services = Services::start(loader, loaded, watch, Arc::clone(&admin), builder).map_err(cannot_start)?;
        let mut admin_service = AdminService::new(admin, shutdown.clone());
        admin_service.open(listeners.admin().map_err(cannot_start)?);
        let bound = listeners.data().map_err(cannot_start)?;
        let data = DataThread::spawn(bound, services.routes(), limits, bounds, Arc::clone(&clock), proxy, shutdown);
        let data = data.map_err(cannot_start)?;
        Ok(Self { admin_service, listeners, services, data, pool, runtime, clock, signals, commands, trigger })
    }

    /// Handles changes until it is asked to stop, then shuts down.
    async fn serve(mut self, beats: Beats) -> Result<(), RunFailure> {
        loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    SignalRequest::Reload => self.services.read(None),
                    SignalRequest::Stop => break,
                    SignalRequest::Abort(number) => return Err(RunFailure::Signal(number)),
                },
                Some(command) = self.commands.recv() => match command {
                    AdminCommand::Reload(answer) => self.services.read(Some(answer)),
                    AdminCommand::Quit => break,
                },
                // Secrets and certificates are polled, because inotify does not work on many of their mounts.
                () = sleep_until(beats.next()) => self.services.look(),
                event = panics::caught(self.services.event()) => if let Ok(Some(result)) = event {
                    let result = self.reload(result);
                    self.services.answer(&result);
                },
                () = self.data.ended() => return Err(RunFailure::Running("the data thread has ended".into())),
            }
        }
        self.stop().await
    }

    fn reload(&mut self, result: LoadResult) -> Result<String, String> {
        let reload = panics::catch(|| self.services.reload(result, &mut self.listeners, &self.data));
        let result = reload.unwrap_or_else(|panicked| Err(panicked.to_string()));
        if result.is_ok() && self.listeners.take_moved() {
            match self.listeners.admin() {
                Ok(listeners) => self.admin_service.open(listeners),
                Err(error) => tracing::error!(%error, "cannot move the admin listener; it stays on its old address"),
            }
        }
        result
    }

    async fn stop(mut self) -> Result<(), RunFailure> {
        let began = self.clock.now();
        tracing::info!("stopping: no longer ready");
        self.trigger.advance(Phase::Announced);
        let delay = tokio::time::sleep(self.runtime.shutdown_delay);
        or_abort(&mut self.signals, delay).await?;
        // From here on, releasing a token does not revoke it: most should survive the process.
        self.pool.announce_shutdown();
        self.listeners.let_go();
        self.trigger.advance(Phase::Draining);
        let grace = self.runtime.shutdown_grace;
        let ended = async { tokio::time::timeout(grace, self.data.ended()).await };
        if or_abort(&mut self.signals, ended).await?.is_err() {
            self.trigger.advance(Phase::Cut);
            self.data.ended().await;
        }
        let _ = tokio::time::timeout(FAREWELL, self.pool.shutdown()).await;
        self.services.close();
        self.trigger.advance(Phase::Cut);
        self.admin_service.ended().await;
        tracing::info!(seconds = self.clock.now().since(began).as_secs_f64(), "stopped");
        Ok(())
    }
}

/// The effective limits, with warnings if they cannot be met.
fn bounds(limits: &Limits, upstreams: usize) -> Bounds {
    let memory = cgroup::limit();
    let bounds = limits.bounds(descriptors::sockets(upstreams), cgroup::budget(memory));
    descriptors::warn(&bounds, limits.connections);
    cgroup::warn(limits, memory);
    bounds
}

/// Runs `work`, unless a second signal ends the process.
async fn or_abort<T>(signals: &mut Signals, work: impl Future<Output = T>) -> Result<T, RunFailure> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            asked = signals.next() => if let SignalRequest::Abort(number) = asked {
                return Err(RunFailure::Signal(number));
            },
        }
    }
}

/// Whether calls to this API use the system's root certificates.
fn wants_system_roots(upstream: &UpstreamConfig) -> bool {
    upstream.tls.ca.is_none() && upstream.proxy.base.as_ref().is_none_or(|base| base.tls)
}

/// Reads the system's root certificates in the background, if they are needed. If that fails, the first connection does
/// it.
fn read_roots_beside(settings: &Settings) {
    if settings.upstreams.iter().any(wants_system_roots) {
        let _ = thread::Builder::new().name("roots".to_owned()).spawn(tls::read_system_roots);
    }
}

fn admin_of(
    settings: &Settings,
    clock: &SharedClock,
    proxy: &Arc<ProxyRecord>,
    shutdown: &Shutdown,
    commands: mpsc::Sender<AdminCommand>,
) -> Admin {
    Admin {
        upstreams: ArcSwap::default(),
        access: Access::default(),
        quit: settings.admin.quit,
        startup_hold: settings.runtime.startup_hold,
        proxy: Arc::clone(proxy),
        clock: Arc::clone(clock),
        shutdown: shutdown.clone(),
        commands,
        born: Born::now(clock),
    }
}

fn pool(settings: &Settings, clock: &SharedClock) -> Result<TokenPool, RunFailure> {
    let store = store::open(settings, clock).map_err(cannot_start)?;
    Ok(TokenPool::start(Arc::clone(clock), store, fastrand::Rng::new()))
}

fn telemetry(settings: &LogSettings, colour: bool) -> Result<Telemetry, RunFailure> {
    let format = match settings.format {
        Some(LogFormat::Text) => LineFormat::Text,
        Some(LogFormat::Json) => LineFormat::Json,
        None => LineFormat::for_stderr(),
    };
    Telemetry::start(format, colour, &settings.level).map_err(cannot_start)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::config::Environment;

    const CONFIG: &str = "[upstream.reloaded]\nlisten = \"127.0.0.1:0\"\nflow = \"bearer\"\nwith.token = \"x\"\n\
                          url = \"http://127.0.0.1:9\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";

    /// The status that the data thread answers with: nobody is at the API's place.
    fn served(app: &App) -> String {
        let address = app.listeners.data().unwrap()[0].local_addr().unwrap();
        let mut caller = std::net::TcpStream::connect(address).unwrap();
        caller.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut said = String::new();
        caller.read_to_string(&mut said).unwrap();
        said.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_panic_in_a_reload_ends_it_alone_and_the_next_one_works() {
        panics::watch();
        let loader = || Loader::new(Environment::default()).text("bearerd.toml", CONFIG);
        let loaded = loader().load().map_err(|report| report.text(false)).unwrap();
        let mut app = App::start(Start { loader: loader(), loaded, watch: false, colour: false }).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(served(&app), "HTTP/1.1 502 Bad Gateway");
        let before = panics::count();
        panics::fault::arm("reload", "reloaded");
        assert_eq!(app.reload(loader().load()), Err(panics::Panicked.to_string()));
        assert!(panics::count() > before);
        assert_eq!(served(&app), "HTTP/1.1 502 Bad Gateway");
        assert!(app.reload(loader().load()).is_ok());
        assert_eq!(served(&app), "HTTP/1.1 502 Bad Gateway");
    }
}
