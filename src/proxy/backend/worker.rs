//! The state of the data thread. Only this thread uses it, so it needs no locks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use http::request;
use tokio::sync::Notify;

use super::Backend;
use super::route::Routes;
use crate::clock::{Beats, SharedClock};
use crate::panics;
use crate::proxy::limits::TICK;
use crate::proxy::limits::budget::Budget;
use crate::proxy::limits::deadline::Deadlines;
use crate::proxy::limits::limiter::{InUse, Limiter};
use crate::proxy::settings::{Bounds, Limits, Listen};
use crate::record::{Limit, ProxyRecord};

/// How many idle connections may keep their buffers until the next sweep: 4 MiB worth.
const MAX_AWAKE: usize = 256;

/// How long to wait for connections that were cut off to free their memory.
const SHED_INTERVAL: Duration = Duration::from_millis(20);

/// The routes, with this thread's state of each upstream.
struct LocalRoutes {
    of: Arc<Routes>,
    listeners: Vec<(Listen, Vec<Rc<Backend>>)>,
}

pub(crate) struct Worker {
    /// The `[limits]` table.
    pub(crate) limits: Limits,
    pub(crate) clock: SharedClock,
    /// Limits that all callers share.
    pub(crate) limiter: Rc<Limiter>,
    /// The deadlines of all connections.
    pub(crate) deadlines: Deadlines,
    /// The memory for request bodies that are kept for a repeat.
    pub(crate) budget: Rc<Budget>,
    /// Whether connections close after their current response, because the process is about to stop.
    pub(crate) leaving: Cell<bool>,
    /// Whether idle connections close now.
    pub(crate) draining: Cell<bool>,
    pub(crate) record: Arc<ProxyRecord>,
    /// How many refused callers are being sent a response.
    pub(crate) refusals: Cell<usize>,
    connections: Cell<usize>,
    awake: Rc<Cell<usize>>,
    connected: Notify,
    disconnected: Notify,
    routes: RefCell<Cache<Arc<ArcSwap<Routes>>, Arc<Routes>>>,
    listeners: RefCell<LocalRoutes>,
}

impl Worker {
    pub(crate) fn new(
        routes: Arc<ArcSwap<Routes>>,
        limits: Limits,
        bounds: Bounds,
        clock: SharedClock,
        record: Arc<ProxyRecord>,
    ) -> Self {
        let limiter = Limiter::new(bounds, record.clone(), clock.clone());
        Self {
            deadlines: Deadlines::new(clock.now()),
            budget: Rc::new(Budget::new(limits.replay_total.min(bounds.memory / 4), limiter.memory.clone())),
            leaving: Cell::new(false),
            draining: Cell::new(false),
            refusals: Cell::new(0),
            connections: Cell::new(0),
            awake: Rc::default(),
            connected: Notify::new(),
            disconnected: Notify::new(),
            listeners: RefCell::new(LocalRoutes { of: Arc::default(), listeners: Vec::new() }),
            routes: RefCell::new(Cache::new(routes)),
            limiter,
            limits,
            clock,
            record,
        }
    }

    /// Finds the upstream for a request on this listener.
    pub(crate) fn find(&self, listen: &Listen, head: &request::Parts, path: &str) -> Option<Rc<Backend>> {
        self.follow_routes();
        let listeners = self.listeners.borrow();
        let listen = listeners.of.current(listen);
        let (_, backends) = listeners.listeners.iter().find(|(listener, _)| listener == listen)?;
        backends.iter().find(|backend| backend.upstream.settings.matches.matches(head, path)).cloned()
    }

    /// Applies new routes. An unchanged upstream keeps its state; a changed one takes over what it can.
    fn follow_routes(&self) {
        let mut cache = self.routes.borrow_mut();
        let routes = cache.load();
        let mut listeners = self.listeners.borrow_mut();
        if Arc::ptr_eq(routes, &listeners.of) {
            return;
        }
        let old: Vec<_> = listeners.listeners.drain(..).flat_map(|(_, backends)| backends).collect();
        let backend = |upstream: &Arc<crate::proxy::Upstream>| {
            let known = old.iter().find(|backend| Arc::ptr_eq(&backend.upstream, upstream)).cloned();
            known.unwrap_or_else(|| {
                let before = old.iter().find(|backend| backend.upstream.settings.name == upstream.settings.name);
                Rc::new(Backend::new(
                    upstream.clone(),
                    self.clock.clone(),
                    &self.limiter,
                    before.map(|before| &**before),
                ))
            })
        };
        let new = routes
            .listeners()
            .iter()
            .map(|(listen, backends)| (listen.clone(), backends.iter().map(backend).collect()));
        listeners.listeners = new.collect();
        listeners.of = routes.clone();
    }

    /// Does the work of each tick.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now();
        self.record.beat(now.since_start().as_secs());
        self.deadlines.sweep(now);
        self.limiter.publish();
        self.follow_routes();
        self.listeners.borrow().listeners.iter().flat_map(|(_, backends)| backends).for_each(|backend| {
            // A panic in one upstream's sweep must not stop the others'.
            let _ = panics::catch(|| {
                #[cfg(test)]
                backend.upstream.settings.base.iter().for_each(|base| panics::point("sweep", &base.to_string()));
                backend.sweep(now);
            });
        });
    }

    /// Frees memory whenever it is tight.
    pub(crate) async fn shed_load(self: Rc<Self>) {
        let memory = &self.limiter.memory;
        loop {
            memory.pressure.notified().await;
            while memory.is_tight() || memory.resume() {
                let cut = memory.shed(self.deadlines.accounts(), self.clock.now());
                (0..cut).for_each(|_| self.limiter.refused(Limit::Memory));
                tokio::time::sleep(SHED_INTERVAL).await;
                memory.resume();
            }
        }
    }

    /// Waits for the next tick. With no connections it waits longer: only the heartbeat is needed.
    pub(crate) async fn until_next_sweep(&self, beats: &Beats) {
        if self.connections.get() == 0 {
            let _ = tokio::time::timeout_at(beats.next(), self.connected.notified()).await;
        }
        if self.connections.get() > 0 {
            tokio::time::sleep(TICK).await;
        }
    }

    /// Counts a new connection, or returns the limit that does not allow it.
    pub(crate) fn admit(self: &Rc<Self>) -> Result<Admitted, Limit> {
        let now = self.connections.get();
        if now == 0 {
            self.deadlines.set_time(self.clock.now());
            self.connected.notify_one();
        }
        if now >= self.limiter.connections() {
            return Err(Limit::Connections);
        }
        if self.limiter.memory.used() >= self.limiter.memory_most() {
            return Err(Limit::Memory);
        }
        let socket = self.limiter.socket().ok_or(Limit::Sockets)?;
        self.count(now.saturating_add(1));
        Ok(Admitted { worker: self.clone(), _socket: socket })
    }

    /// Counts a connection that has buffers, until it is parked.
    pub(crate) fn wake(&self) -> Awake {
        self.awake.set(self.awake.get().saturating_add(1));
        Awake(self.awake.clone())
    }

    /// Whether so many connections have buffers that idle ones must be parked at once.
    pub(crate) fn is_crowded(&self) -> bool {
        self.awake.get() > MAX_AWAKE
    }

    #[cfg(test)]
    pub(crate) fn awake(&self) -> usize {
        self.awake.get()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Waits until the last caller's connection has closed.
    pub(crate) async fn all_closed(&self) {
        while self.connections.get() > 0 {
            self.disconnected.notified().await;
        }
    }

    fn count(&self, connections: usize) {
        self.connections.set(connections);
        self.record.limit(Limit::Connections).set_used(connections as u64);
    }
}

/// A connection that counts towards the limits until it is dropped.
pub(crate) struct Admitted {
    worker: Rc<Worker>,
    _socket: InUse,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.worker.count(self.worker.connections.get().saturating_sub(1));
        self.worker.disconnected.notify_waiters();
    }
}

/// A connection that has buffers.
pub(crate) struct Awake(Rc<Cell<usize>>);

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
