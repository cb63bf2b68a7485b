//! All upstreams in service, and their reaction to changed files and configuration.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::build::{BuildError, Builder};
use super::failure::with_cause;
use super::fixed::{self, FixedSettings};
use super::listeners::Listeners;
use super::service::{Planned, Service};
use crate::admin::Admin;
use crate::config::{Fingerprint, Inputs, Loaded, Loader, Settings, UpstreamConfig};
use crate::proxy::backend::route::Routes;
use crate::proxy::server::DataThread;
use crate::proxy::settings::Listen;
use crate::token::handle::TokenHandle;
use crate::token::status::State;

/// After this time without an answer for a candidate, a line is logged.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) struct Services {
    fixed: FixedSettings,
    loader: Loader,
    watched: Option<(Inputs, Fingerprint)>,
    builder: Builder,
    admin: Arc<Admin>,
    routes: Arc<ArcSwap<Routes>>,
    moved: Vec<(Listen, Listen)>,
    all: Vec<Service>,
    /// Waits for the first token of each candidate, by its number.
    proving: JoinSet<ServiceEvent>,
    numbers: u64,
}

/// The result of a candidate.
enum ServiceEvent {
    /// It has a token.
    Proven(u64),
    /// It has had no answer yet.
    Silent(u64),
}

impl Services {
    pub(super) fn start(
        loader: Loader,
        loaded: Loaded,
        watch: bool,
        admin: Arc<Admin>,
        builder: Builder,
    ) -> Result<Self, BuildError> {
        let watched = watch.then(|| (loaded.files.clone(), loaded.files.before()));
        let mut services = Self {
            fixed: FixedSettings::of(&loaded.settings),
            loader,
            watched,
            builder,
            admin,
            routes: Arc::default(),
            moved: Vec::new(),
            all: Vec::new(),
            proving: JoinSet::new(),
            numbers: 0,
        };
        for config in loaded.settings.upstreams {
            let now = services.builder.build(config, None)?;
            services.all.push(Service::of(now));
        }
        services.publish();
        Ok(services)
    }

    /// The routes for the data thread.
    pub(super) fn routes(&self) -> Arc<ArcSwap<Routes>> {
        Arc::clone(&self.routes)
    }

    /// Checks every file and tries changed secrets. Returns whether the watched configuration itself has changed.
    pub(super) async fn look(&mut self) -> bool {
        let seen = self.fingerprints().await;
        let Some((watched, upstreams)) = seen else { return false };
        if self.watched.as_ref().is_some_and(|(_, before)| Some(before) != watched.as_ref()) {
            return true;
        }
        let changed = self.all.iter().zip(upstreams).enumerate();
        let changed = changed.filter_map(|(index, (service, seen))| (seen != *service.looked_at()).then_some(index));
        let changed: Vec<usize> = changed.collect();
        if !changed.is_empty() {
            self.try_files(&changed);
        }
        false
    }

    /// The state of all files, read on another thread: a mount may hang.
    async fn fingerprints(&self) -> Option<(Option<Fingerprint>, Vec<Fingerprint>)> {
        let watched = self.watched.as_ref().map(|(files, _)| files.clone());
        let inputs: Vec<Inputs> = self.all.iter().map(|service| service.files().clone()).collect();
        if watched.is_none() && inputs.iter().all(|files| files.is_empty()) {
            return None;
        }
        let take = move || (watched.map(|files| files.fingerprint()), inputs.iter().map(Inputs::fingerprint).collect());
        tokio::task::spawn_blocking(take).await.ok()
    }

    /// Reloads the files of these upstreams.
    fn try_files(&mut self, changed: &[usize]) {
        let loaded = match self.loader.load() {
            Ok(loaded) => loaded,
            Err(report) => return self.refuse(changed, &report.errors_in_a_line()),
        };
        for mut config in loaded.settings.upstreams {
            let same = |index: &&usize| self.all.get(**index).is_some_and(|it| *it.name() == config.proxy.name);
            let Some(&index) = changed.iter().find(same) else { continue };
            let Some(before) = self.all.get(index) else { continue };
            // Only its files have changed, so it keeps its listener.
            config.proxy.listen = before.now.config.proxy.listen.clone();
            match Planned::build(&mut self.builder, config, Some(before)) {
                Ok(planned) => self.put(index, planned),
                Err(error) => self.refuse(&[index], &error.to_string()),
            }
        }
        self.publish();
    }

    /// Logs once that a change cannot be used; it is checked again after the next change.
    fn refuse(&mut self, changed: &[usize], why: &str) {
        for index in changed {
            let Some(service) = self.all.get_mut(*index) else { continue };
            let (upstream, seen) = (&**service.name(), service.files().fingerprint());
            tracing::error!(upstream, "a secret or certificate changed, but cannot be used: {why}");
            service.set_looked_at(seen);
        }
    }

    /// Replaces an upstream, now or once it has worked.
    fn put(&mut self, index: usize, planned: Planned) {
        let Some(service) = self.all.get_mut(index) else { return };
        let upstream = &**service.name();
        match planned {
            Planned::AtOnce(built) if built.recipe == service.now.recipe => {
                tracing::info!(upstream, "a changed file is now in use; the token is not affected");
                *service = Service::of(built);
            }
            Planned::AtOnce(built) => {
                tracing::info!(
                    upstream,
                    "a secret or certificate changed; using it at once, because there is no token to keep"
                );
                *service = Service::of(built);
            }
            Planned::OnProof(built) => {
                tracing::info!(upstream, "a secret or certificate changed; trying it");
                let number = next(&mut self.numbers);
                let provers = service.try_out(built, number);
                prove(&mut self.proving, provers, number);
            }
        }
    }

    /// Waits for changed credentials to work, and puts them into service.
    pub(super) async fn proven(&mut self) {
        match self.proving.join_next().await {
            Some(Ok(ServiceEvent::Proven(number))) => {
                let Some(service) = self.all.iter_mut().find(|service| service.waiting() == Some(number)) else {
                    return;
                };
                if service.take_next(number) {
                    tracing::info!(upstream = &**service.name(), "the changed secret works and is now in use");
                    self.publish();
                }
            }
            Some(Ok(ServiceEvent::Silent(number))) => {
                let waits = |service: &&Service| service.waiting() == Some(number) && service.is_silent();
                if let Some(service) = self.all.iter().find(waits) {
                    let (upstream, seconds) = (&**service.name(), SILENCE.as_secs());
                    tracing::warn!(
                        upstream,
                        "still trying the changed secret, the old one stays in use: no answer from the token \
                         endpoint for {seconds} s"
                    );
                }
            }
            Some(Err(_)) => {}
            None => std::future::pending().await,
        }
    }

    /// Reloads the configuration. An invalid one changes nothing.
    pub(super) fn reload(&mut self, listeners: &mut Listeners, data: &DataThread) -> Result<String, String> {
        let mut loaded = self.loader.load().map_err(|report| report.text(false))?;
        let unchanged = |error: &dyn std::fmt::Display| format!("{error}; nothing changed");
        let opening = listeners.open(&mut loaded.settings).map_err(|error| unchanged(&with_cause(&error)))?;
        let fixed = self.fixed.changed(&loaded.settings);
        let Settings { upstreams, .. } = loaded.settings;
        let planned = match self.plan(upstreams) {
            Ok(planned) => planned,
            Err(error) => {
                opening.undo();
                return Err(unchanged(&error));
            }
        };
        self.watched = self.watched.take().map(|_| (loaded.files.clone(), loaded.files.before()));
        // Opened before and closed after the routes change, so that no request finds a route without its upstream.
        let closing = listeners.begin(opening, data);
        self.moved = listeners.moved();
        let trying = self.replace(planned);
        self.publish();
        let (opened, closed) = (closing.opened, closing.closed());
        listeners.end(closing, data);
        let message = format!("{} upstreams, {opened} listeners opened, {closed} closed{trying}", self.all.len());
        tracing::info!("configuration reloaded: {message}");
        fixed::warn(&fixed);
        Ok(message)
    }

    fn plan(&mut self, configs: Vec<UpstreamConfig>) -> Result<Vec<Planned>, BuildError> {
        let all = &self.all;
        let plan = |config: UpstreamConfig| {
            let before = all.iter().find(|service| *service.name() == config.proxy.name);
            Planned::build(&mut self.builder, config, before)
        };
        configs.into_iter().map(plan).collect()
    }

    /// Replaces all upstreams, and says which are tried first.
    fn replace(&mut self, planned: Vec<Planned>) -> String {
        let mut before = std::mem::take(&mut self.all);
        planned.iter().for_each(|planned| crate::panics::point("reload", planned.name()));
        let mut trying = Vec::new();
        for planned in planned {
            let known = before.iter().position(|service| service.name() == planned.name());
            let known = known.map(|index| before.swap_remove(index));
            self.all.push(match (planned, known) {
                (Planned::OnProof(built), Some(mut service)) => {
                    let number = next(&mut self.numbers);
                    trying.push(service.name().to_string());
                    prove(&mut self.proving, service.try_out(built, number), number);
                    service
                }
                (Planned::AtOnce(built) | Planned::OnProof(built), _) => Service::of(built),
            });
        }
        match trying.is_empty() {
            true => String::new(),
            false => format!("; trying the changed credentials of {} first", trying.join(", ")),
        }
    }

    /// Releases every token that no request in flight holds.
    pub(super) fn close(&mut self) {
        self.proving.abort_all();
        self.all.clear();
        self.publish();
    }

    fn publish(&self) {
        let routes = Routes::new(self.all.iter().map(|service| Arc::clone(&service.now.upstream)));
        self.routes.store(Arc::new(routes.moved(self.moved.clone())));
        self.admin.upstreams.store(Arc::new(self.all.iter().map(Service::shown).collect()));
    }
}

fn next(numbers: &mut u64) -> u64 {
    *numbers = numbers.saturating_add(1);
    *numbers
}

/// Waits for a candidate.
fn prove(proving: &mut JoinSet<ServiceEvent>, provers: Vec<TokenHandle>, number: u64) {
    if provers.is_empty() {
        // Without a token to try it with, each subject's first request will.
        proving.spawn(std::future::ready(ServiceEvent::Proven(number)));
        return;
    }
    for handle in provers {
        proving.spawn(async move {
            proof(handle).await;
            ServiceEvent::Proven(number)
        });
    }
    proving.spawn(async move {
        sleep(SILENCE).await;
        ServiceEvent::Silent(number)
    });
}

/// Returns when the token has arrived.
async fn proof(handle: TokenHandle) {
    while !matches!(handle.status().state, State::Fresh | State::Degraded) {
        handle.changed().await;
    }
}
