//! All upstreams in service, and their reaction to changed files and configuration.

mod background;
mod reader;
mod service;
mod trials;

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::build::{BuildError, Builder};
use super::failure::with_cause;
use super::fixed::{self, FixedSettings};
use super::listeners::Listeners;
use crate::admin::Admin;
use crate::config::{Fingerprint, Loaded, Loader, Settings, UpstreamConfig};
use crate::proxy::backend::route::Routes;
use crate::proxy::server::DataThread;
use crate::proxy::settings::Listen;
use reader::{FilesRead, Reader, WatchedFiles};
use service::{Planned, Service};
use trials::{SILENCE, TrialEvent, Trials};

pub(super) use reader::{Asker, LoadResult};

pub(super) struct Services {
    fixed: FixedSettings,
    reader: Reader,
    /// The configuration files, with `--watch`.
    watched: Option<WatchedFiles>,
    builder: Builder,
    admin: Arc<Admin>,
    routes: Arc<ArcSwap<Routes>>,
    moved: Vec<(Listen, Listen)>,
    all: Vec<Service>,
    trials: Trials,
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
            reader: Reader::new(loader),
            watched,
            builder,
            admin,
            routes: Arc::default(),
            moved: Vec::new(),
            all: Vec::new(),
            trials: Trials::none(),
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

    /// Starts to check every file for changes.
    pub(super) fn look(&mut self) {
        let upstreams = self.all.iter().map(|service| (service.files().clone(), service.looked_at().clone()));
        let upstreams = upstreams.collect();
        self.reader.look(self.watched.clone(), upstreams);
    }

    /// Starts to read the configuration; [`Self::event`] returns it.
    pub(super) fn read(&mut self, asker: Asker) {
        self.reader.ask(asker);
    }

    /// Tells those who asked for a reload how it ended.
    pub(super) fn answer(&mut self, result: &Result<String, String>) {
        self.reader.answer(result);
    }

    /// Handles the next change: files that were read, or a candidate's result. Returns the configuration of a reload.
    pub(super) async fn event(&mut self) -> Option<LoadResult> {
        let read = tokio::select! {
            read = self.reader.next() => read,
            event = self.trials.next() => {
                self.tried(&event);
                return None;
            }
        };
        match read {
            FilesRead::Same => None,
            FilesRead::Asked(result) => Some(result),
            FilesRead::Configuration(seen, result) => {
                self.watched = self.watched.take().map(|(files, _)| (files, seen));
                Some(result)
            }
            FilesRead::Upstreams(changed, result) => {
                self.try_files(&changed, result);
                None
            }
        }
    }

    /// Reloads the files of these upstreams.
    fn try_files(&mut self, changed: &[(usize, Fingerprint)], result: LoadResult) {
        let loaded = match result {
            Ok(loaded) => loaded,
            Err(report) => return self.refuse(changed, &report.errors_in_a_line()),
        };
        for mut config in loaded.settings.upstreams {
            let named = |index: usize| self.all.get(index).is_some_and(|it| *it.name() == config.proxy.name);
            let Some(one) = changed.iter().find(|(index, _)| named(*index)) else { continue };
            let index = one.0;
            let Some(before) = self.all.get(index) else { continue };
            // Only its files have changed, so it keeps its listener.
            config.proxy.listen = before.now.config.proxy.listen.clone();
            match Planned::build(&mut self.builder, config, Some(before)) {
                Ok(planned) => self.put(index, planned),
                Err(error) => self.refuse(std::slice::from_ref(one), &error.to_string()),
            }
        }
        self.publish();
    }

    /// Logs once that a change cannot be used; it is checked again after the next change.
    fn refuse(&mut self, changed: &[(usize, Fingerprint)], why: &str) {
        for (index, seen) in changed {
            let Some(service) = self.all.get_mut(*index) else { continue };
            let upstream = &**service.name();
            tracing::error!(upstream, "a secret or certificate changed, but cannot be used: {why}");
            service.set_looked_at(seen.clone());
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
                let number = self.trials.number();
                let provers = service.try_out(built, number);
                self.trials.prove(provers, number);
            }
        }
    }

    /// Puts changed credentials that work into service.
    fn tried(&mut self, event: &TrialEvent) {
        match *event {
            TrialEvent::Proven(number) => {
                let Some(service) = self.all.iter_mut().find(|service| service.waiting() == Some(number)) else {
                    return;
                };
                if service.take_next(number) {
                    tracing::info!(upstream = &**service.name(), "the changed secret works and is now in use");
                    self.publish();
                }
            }
            TrialEvent::Silent(number) => {
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
        }
    }

    /// Reloads the configuration. An invalid one changes nothing.
    pub(super) fn reload(
        &mut self,
        result: LoadResult,
        listeners: &mut Listeners,
        data: &DataThread,
    ) -> Result<String, String> {
        let mut loaded = result.map_err(|report| report.text(false))?;
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
                    let number = self.trials.number();
                    trying.push(service.name().to_string());
                    self.trials.prove(service.try_out(built, number), number);
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
        self.trials.abort();
        self.all.clear();
        self.publish();
    }

    fn publish(&self) {
        let routes = Routes::new(self.all.iter().map(|service| Arc::clone(&service.now.upstream)));
        self.routes.store(Arc::new(routes.moved(self.moved.clone())));
        self.admin.upstreams.store(Arc::new(self.all.iter().map(Service::shown).collect()));
    }
}
