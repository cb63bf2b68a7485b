//! Limits that all callers share: requests in flight, and sockets, each of which takes a file descriptor.
//!
//! An idle upstream connection is closed when another connection needs its descriptor. Beyond a limit the response is `busy`; the
//! log reports it once a minute, the metrics every time.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::memory::Memory;
use super::turns::Turns;
use crate::clock::{Moment, SharedClock};
use crate::proxy::settings::Bounds;
use crate::record::{Limit, ProxyRecord};

/// How often the same limit is logged: it may refuse thousands of requests per second.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// When requests are scarce, each connection gets this fraction of them.
const SHARES: usize = 32;

/// A pool whose idle connections may be closed to free descriptors.
pub(crate) trait IdleConnections {
    /// Since when its oldest idle connection has been idle.
    fn idle_since(&self) -> Option<Moment>;

    /// Closes that connection.
    fn close_idle(&self);
}

pub(crate) struct Limiter {
    bounds: Bounds,
    requests: Arc<AtomicUsize>,
    sockets: Arc<AtomicUsize>,
    pub(crate) memory: Rc<Memory>,
    /// The scheduler of busy connections.
    pub(crate) turns: Turns,
    pools: RefCell<Vec<Weak<dyn IdleConnections>>>,
    logged: [Cell<Option<Moment>>; Limit::ALL.len()],
    record: Arc<ProxyRecord>,
    clock: SharedClock,
}

impl Limiter {
    pub(crate) fn new(bounds: Bounds, record: Arc<ProxyRecord>, clock: SharedClock) -> Rc<Self> {
        for (limit, most) in [
            (Limit::Connections, bounds.connections as u64),
            (Limit::Requests, bounds.requests as u64),
            (Limit::Sockets, bounds.sockets as u64),
            (Limit::Memory, bounds.memory),
        ] {
            record.limit(limit).set_most(most);
        }
        let (requests, sockets, turns, pools, logged) = Default::default();
        let memory = Rc::new(Memory::new(bounds.memory));
        Rc::new(Self { bounds, requests, sockets, memory, turns, pools, logged, record, clock })
    }

    pub(crate) fn memory_most(&self) -> u64 {
        self.bounds.memory
    }

    pub(crate) fn connections(&self) -> usize {
        self.bounds.connections
    }

    /// Counts a request until the result is dropped; `None` if the limit is reached. `others` are in flight on the same
    /// connection; `responded` says whether the connection has had a response before.
    ///
    /// Once half of the limit is in use, a connection gets only its share. The last eighth is reserved for connections that have
    /// had a response, so that requests that never end cannot use up everything.
    pub(crate) fn request(&self, others: usize, responded: bool) -> Option<InUse> {
        let (used, most) = (count(&self.requests), self.bounds.requests);
        let room = match used {
            _ if used < most / 2 => true,
            _ if used < most.saturating_sub(most / 8) => others == 0 || others < most / SHARES,
            _ => used < most && others == 0 && (responded || most < SHARES),
        };
        room.then(|| InUse::of(&self.requests))
    }

    /// Counts a socket until the result is dropped. At the limit, closes an idle upstream connection to make room.
    pub(crate) fn socket(&self) -> Option<InUse> {
        while count(&self.sockets) >= self.bounds.sockets {
            let before = count(&self.sockets);
            if !self.close_idle() || count(&self.sockets) >= before {
                return None;
            }
        }
        Some(InUse::of(&self.sockets))
    }

    /// Registers a pool whose idle connections may be closed for other sockets.
    pub(crate) fn watch(&self, pool: &Rc<impl IdleConnections + 'static>) {
        let mut pools = self.pools.borrow_mut();
        pools.retain(|pool| pool.strong_count() > 0);
        let pool: Rc<dyn IdleConnections> = pool.clone();
        pools.push(Rc::downgrade(&pool));
    }

    /// Closes the upstream connection that has been idle for the longest time.
    pub(crate) fn close_idle(&self) -> bool {
        let pools: Vec<_> = self.pools.borrow().iter().filter_map(Weak::upgrade).collect();
        let oldest = pools.iter().filter_map(|pool| Some((pool.idle_since()?, pool))).min_by_key(|(since, _)| *since);
        oldest.inspect(|(_, pool)| pool.close_idle()).is_some()
    }

    /// Counts a refusal, and logs it if it is due.
    pub(crate) fn refused(&self, limit: Limit) {
        self.record.limit(limit).refused();
        if self.should_log(limit) {
            let LimitText { key, action } = text(limit);
            let most = self.record.limit(limit).most();
            tracing::warn!(limit = key, most, action, "limit reached: callers get `busy`");
        }
    }

    /// Whether this limit has not been logged for a while.
    pub(crate) fn should_log(&self, limit: Limit) -> bool {
        let now = self.clock.now();
        let [connections, requests, sockets, memory] = &self.logged;
        let logged = match limit {
            Limit::Connections => connections,
            Limit::Requests => requests,
            Limit::Sockets => sockets,
            Limit::Memory => memory,
        };
        let due = logged.get().is_none_or(|logged| now.since(logged) >= LOG_INTERVAL);
        if due {
            logged.set(Some(now));
        }
        due
    }

    /// Updates the metrics.
    pub(crate) fn publish(&self) {
        self.memory.look();
        self.record.limit(Limit::Memory).set_used(self.memory.used());
        self.record.limit(Limit::Requests).set_used(count(&self.requests) as u64);
        self.record.limit(Limit::Sockets).set_used(count(&self.sockets) as u64);
    }
}

struct LimitText {
    key: &'static str,
    action: &'static str,
}

const fn text(limit: Limit) -> LimitText {
    let (key, action) = match limit {
        Limit::Connections => ("limits.connections", "raise it, or look for callers that leave connections open"),
        Limit::Requests => ("limits.requests", "raise it, or look for an upstream that has become slow"),
        Limit::Sockets => ("open files", "raise the limit of open files (ulimit -n, LimitNOFILE=)"),
        Limit::Memory => ("limits.memory", "raise it, or look for callers that do not read their responses"),
    };
    LimitText { key, action }
}

fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

/// Counts until it is dropped. Atomic, because hyper requires the IO type of an upgraded socket to be `Send`.
pub(crate) struct InUse(Arc<AtomicUsize>);

impl InUse {
    fn of(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter.clone())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn dropping_makes_room() {
        let bounds = Bounds { requests: 2, sockets: 1, ..Bounds::default() };
        let limiter = Limiter::new(bounds, Arc::default(), Arc::new(SystemClock));
        let request = || limiter.request(0, false);
        let (first, second) = (request(), request());
        assert!(first.is_some() && second.is_some() && request().is_none());
        drop(first);
        assert!(request().is_some());
        let socket = limiter.socket();
        assert!(socket.is_some() && limiter.socket().is_none());
        drop(socket);
        assert!(limiter.socket().is_some());
        limiter.publish();
        assert_eq!(limiter.record.limit(Limit::Requests).used(), 1);
    }

    #[test]
    fn scarce_requests_are_shared_between_connections() {
        let limiter =
            Limiter::new(Bounds { requests: 320, ..Bounds::default() }, Arc::default(), Arc::new(SystemClock));
        let taken = |most: usize, others: usize, responded: bool| -> Vec<_> {
            (0..most).map_while(|_| limiter.request(others, responded)).collect()
        };
        let one_connection = taken(1000, 10, true);
        assert_eq!(one_connection.len(), 160);
        let new_connections = taken(1000, 0, false);
        assert_eq!(new_connections.len(), 120);
        assert!(limiter.request(1, true).is_none());
        assert_eq!(taken(1000, 0, true).len(), 40);
        assert_eq!(taken(1, 0, true).len(), 1, "they are given back");
    }

    #[tokio::test(start_paused = true)]
    async fn each_limit_is_logged_once_a_minute() {
        let limiter = Limiter::new(Bounds::default(), Arc::default(), Arc::new(crate::clock::PausedClock::start()));
        for _ in 0..2 {
            let news = (0..1000).filter(|_| limiter.should_log(Limit::Requests)).count();
            assert_eq!((news, limiter.should_log(Limit::Memory)), (1, true));
            tokio::time::advance(LOG_INTERVAL).await;
        }
    }

    #[test]
    fn each_refusal_is_counted() {
        let limiter = Limiter::new(Bounds::default(), Arc::default(), Arc::new(SystemClock));
        (0..3).for_each(|_| limiter.refused(Limit::Requests));
        let counts = Limit::ALL.map(|limit| limiter.record.limit(limit).refusals());
        assert_eq!(counts, [0, 3, 0, 0]);
    }
}
