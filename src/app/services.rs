//! All upstreams in service, and what follows when their files or the configuration change.
//!
//! A changed secret must prove itself: the upstream with the new one is built beside the old, and takes its place when
//! its first token is there. A changed configuration takes its place at once; what did not change stays as it is.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;

use super::build::{BuildError, Builder, Built};
use super::doors::{Given, open};
use super::view::View;
use crate::admin::{Admin, AdminUpstream};
use crate::config::{Fingerprint, Inputs, Loaded, Loader, UpstreamConfig};
use crate::proxy::route::Routes;
use crate::proxy::server::DataThread;
use crate::proxy::settings::Listen;
use crate::token::handle::{State, TokenHandle};

/// One upstream: what serves now, and what would like to.
struct Service {
    now: Built,
    view: Arc<View>,
    next: Option<(u64, Built, Arc<View>)>,
}

/// All upstreams in service.
pub(super) struct Services {
    loader: Loader,
    watched: Option<(Inputs, Fingerprint)>,
    builder: Builder,
    admin: Arc<Admin>,
    routes: Arc<ArcSwap<Routes>>,
    given: Given,
    all: Vec<Service>,
    /// Waits for the first token of each `next`, by its number.
    proving: JoinSet<u64>,
    numbers: u64,
}

impl Services {
    pub(super) fn start(
        loader: Loader,
        loaded: Loaded,
        given: Given,
        watch: bool,
        admin: Arc<Admin>,
        builder: Builder,
    ) -> Result<Self, BuildError> {
        let watched = watch.then(|| (loaded.files.clone(), loaded.files.fingerprint()));
        let mut services = Self {
            loader,
            watched,
            builder,
            admin,
            routes: Arc::default(),
            given,
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

    /// Where the data thread finds them.
    pub(super) fn routes(&self) -> Arc<ArcSwap<Routes>> {
        Arc::clone(&self.routes)
    }

    /// Looks at every file: changed secrets are tried, and with `--watch` a changed configuration is read again.
    pub(super) async fn look(&mut self, data: &DataThread) {
        let seen = self.fingerprints().await;
        let Some((watched, upstreams)) = seen else { return };
        if self.watched.as_ref().is_some_and(|(_, before)| Some(before) != watched.as_ref()) {
            if let Err(problems) = self.reload(data) {
                tracing::error!("{problems}");
            }
            return;
        }
        let changed = |(index, seen): (usize, Fingerprint)| (seen != *self.all[index].looked_at()).then_some(index);
        let changed: Vec<usize> = upstreams.into_iter().enumerate().filter_map(changed).collect();
        if !changed.is_empty() {
            self.try_secrets(&changed);
        }
    }

    /// What all files look like, taken off this thread: a mount may hang.
    async fn fingerprints(&self) -> Option<(Option<Fingerprint>, Vec<Fingerprint>)> {
        let watched = self.watched.as_ref().map(|(files, _)| files.clone());
        let inputs: Vec<Inputs> = self.all.iter().map(|service| service.now.config.inputs.clone()).collect();
        if watched.is_none() && inputs.iter().all(|files| files.paths().is_empty()) {
            return None;
        }
        let take = move || (watched.map(|files| files.fingerprint()), inputs.iter().map(Inputs::fingerprint).collect());
        tokio::task::spawn_blocking(take).await.ok()
    }

    /// Reads the changed upstreams' secrets again and builds each beside the one in service.
    fn try_secrets(&mut self, changed: &[usize]) {
        let loaded = match self.loader.load() {
            Ok(loaded) => loaded,
            Err(report) => return self.refuse(changed, &report.summary()),
        };
        for mut config in loaded.settings.upstreams {
            let same = |index: &&usize| self.all[**index].now.config.proxy.name == config.proxy.name;
            let Some(&index) = changed.iter().find(same) else { continue };
            let now = &self.all[index].now;
            // Only its secrets are new: it stays where its callers are.
            config.proxy.listen = now.config.proxy.listen.clone();
            match self.builder.build(config, Some(now.recipe)) {
                Ok(built) => self.try_built(index, built),
                Err(error) => self.refuse(&[index], &error.to_string()),
            }
        }
    }

    /// What changed cannot be used: said once, and looked at again when it changes again.
    fn refuse(&mut self, changed: &[usize], why: &str) {
        for &index in changed {
            let service = &mut self.all[index];
            let upstream = &*service.now.config.proxy.name;
            tracing::error!(upstream, "a secret or certificate has changed, but cannot be used: {why}");
            let seen = service.now.config.inputs.fingerprint();
            service.set_looked_at(seen);
        }
    }

    fn try_built(&mut self, index: usize, built: Built) {
        let service = &mut self.all[index];
        let upstream = &*built.config.proxy.name;
        if built.recipe == service.now.recipe {
            tracing::debug!(upstream, "a file has changed, its content has not");
            service.set_looked_at(built.inputs);
            return;
        }
        tracing::info!(upstream, "a secret or certificate has changed: trying it");
        let view = Arc::new(View::new(Arc::clone(&built.upstream)));
        self.numbers += 1;
        let number = self.numbers;
        if built.provers.is_empty() {
            // Nobody's token is there to prove it with: each subject's first request will.
            self.proving.spawn(std::future::ready(number));
        }
        for handle in &built.provers {
            self.proving.spawn(proof(handle.clone(), number));
        }
        service.view.set_trial(built.provers.clone());
        service.next = Some((number, built, view));
    }

    /// Waits until a changed secret has proved itself, and puts it into service.
    pub(super) async fn proven(&mut self) {
        let Some(Ok(number)) = self.proving.join_next().await else { return std::future::pending().await };
        let is_it = |service: &&mut Service| service.next.as_ref().is_some_and(|(next, ..)| *next == number);
        let Some(service) = self.all.iter_mut().find(is_it) else { return };
        let Some((_, now, view)) = service.next.take() else { return };
        tracing::info!(upstream = &*now.config.proxy.name, "the changed secret works: it is in use");
        *service = Service { now, view, next: None };
        self.publish();
    }

    /// Reads the configuration again. A bad one changes nothing.
    pub(super) fn reload(&mut self, data: &DataThread) -> Result<String, String> {
        let mut loaded = self.loader.load().map_err(|report| report.text(false))?;
        let before = self.listens();
        let unchanged = |error: &dyn std::fmt::Display| format!("{error}; nothing was changed");
        let opened = open(&mut loaded.settings.upstreams, &before, &self.given);
        let (opened, given) = opened.map_err(|error| unchanged(&error))?;
        let built = self.rebuild(loaded.settings.upstreams).map_err(|error| unchanged(&error))?;
        self.watched = self.watched.take().map(|_| (loaded.files.clone(), loaded.files.fingerprint()));
        (self.all, self.given) = (built, given);
        let after = self.listens();
        let gone: Vec<Listen> = before.into_iter().filter(|listen| !after.contains(listen)).collect();
        let message = format!("{} upstreams, {} listeners opened, {} closed", self.all.len(), opened.len(), gone.len());
        // Opened before the routes name them, closed after: no call meets a route without its upstream.
        opened.into_iter().for_each(|bound| data.open(bound));
        self.publish();
        gone.into_iter().for_each(|listen| data.close(listen));
        tracing::info!("configuration read again: {message}");
        Ok(message)
    }

    /// Each listener in service once.
    fn listens(&self) -> Vec<Listen> {
        let mut all: Vec<Listen> = Vec::new();
        for service in &self.all {
            let listen = &service.now.config.proxy.listen;
            if !all.contains(listen) {
                all.push(listen.clone());
            }
        }
        all
    }

    fn rebuild(&mut self, configs: Vec<UpstreamConfig>) -> Result<Vec<Service>, BuildError> {
        configs.into_iter().map(|config| self.builder.build(config, None).map(Service::of)).collect()
    }

    /// Lets go of every token: what is not held by a request in flight ends.
    pub(super) fn close(&mut self) {
        self.proving.abort_all();
        self.all.clear();
        self.publish();
    }

    fn publish(&self) {
        self.routes.store(Arc::new(Routes::new(self.all.iter().map(|service| Arc::clone(&service.now.upstream)))));
        self.admin.upstreams.store(Arc::new(self.all.iter().map(Service::shown).collect()));
    }
}

/// Comes back with the number when the token is there.
async fn proof(handle: TokenHandle, number: u64) -> u64 {
    while !matches!(handle.status().state, State::Fresh | State::Degraded) {
        handle.changed().await;
    }
    number
}

impl Service {
    fn of(now: Built) -> Self {
        let view = Arc::new(View::new(Arc::clone(&now.upstream)));
        Self { now, view, next: None }
    }

    /// The files as they were when they were last read.
    fn looked_at(&self) -> &Fingerprint {
        self.next.as_ref().map_or(&self.now.inputs, |(_, built, _)| &built.inputs)
    }

    fn set_looked_at(&mut self, seen: Fingerprint) {
        self.next = None;
        self.view.set_trial(Vec::new());
        self.now.inputs = seen;
    }

    fn shown(&self) -> AdminUpstream {
        let config = &self.now.config;
        AdminUpstream {
            name: Arc::clone(&config.proxy.name),
            listen: config.proxy.listen.to_string(),
            url: config.proxy.base.as_ref().map(ToString::to_string),
            flow: config.flow.name.to_string(),
            required: config.required,
            record: Arc::clone(&self.now.upstream.record),
            token_record: Arc::clone(&self.now.upstream.token_record),
            tokens: Arc::clone(&self.view) as _,
        }
    }
}
