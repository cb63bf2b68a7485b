//! The state that all actors of one history share.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bearerd::token::source::BoxFuture;
use tokio::sync::Notify;

use crate::history::{Reply, Setup};
use crate::log::{Entry, Event};
use crate::mutation::Mutation;
use crate::server::Server;
use crate::store::{Holder, Kept};
use crate::time::{MachineClock, Time};

/// A lease expires after this time without renewal.
const LEASE: Duration = Duration::from_secs(4);

/// One world.
pub struct World {
    pub time: Arc<Time>,
    pub setup: Setup,
    pub mutation: Option<Mutation>,
    state: Mutex<State>,
}

/// Its mutable state.
pub struct State {
    pub rng: fastrand::Rng,
    pub log: Vec<Entry>,
    pub server: Server,
    pub replies: VecDeque<Reply>,
    pub kept: HashMap<(u32, String), Kept>,
    pub holders: HashMap<(u32, String), Holder>,
    /// The longest duration of a store operation now, in milliseconds.
    pub store_takes: u64,
    /// Store operations fail; with or without taking effect.
    pub store_fails: Option<bool>,
    pub healed: bool,
    last_id: u32,
}

impl World {
    pub fn new(seed: u64, setup: &Setup, mutation: Option<Mutation>) -> Arc<Self> {
        let state = State {
            rng: fastrand::Rng::with_seed(seed ^ 0x5EED),
            log: Vec::new(),
            server: Server::new(setup.clone()),
            replies: VecDeque::new(),
            kept: HashMap::new(),
            holders: HashMap::new(),
            store_takes: 50,
            store_fails: None,
            healed: false,
            last_id: 0,
        };
        Arc::new(Self { time: Arc::new(Time::start()), setup: setup.clone(), mutation, state: Mutex::new(state) })
    }

    pub fn breaks(&self, by: Mutation) -> bool {
        self.mutation == Some(by)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn log(&self, event: Event) {
        let entry = Entry { at: self.time.now(), awake: self.time.awake(), event };
        self.state().log.push(entry);
    }

    pub fn next_id(&self) -> u32 {
        let mut state = self.state();
        state.last_id += 1;
        state.last_id
    }

    /// A random duration of up to this many milliseconds.
    pub fn while_of(&self, millis: u64) -> Duration {
        Duration::from_millis(self.state().rng.u64(1..=millis.max(1)))
    }
}

/// Whether a process runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pulse {
    Beats,
    Pauses,
    Stopped,
}

impl Default for Heart {
    fn default() -> Self {
        Self { pulse: Mutex::new(Pulse::Beats), resumed: Notify::new() }
    }
}

/// The switch that suspends and ends a process.
pub struct Heart {
    pulse: Mutex<Pulse>,
    resumed: Notify,
}

impl Heart {
    /// Waits while the process is suspended; forever, once it is dead.
    pub async fn beat(&self) {
        while self.pulse() != Pulse::Beats {
            self.resumed.notified().await;
        }
    }

    fn pulse(&self) -> Pulse {
        *self.pulse.lock().unwrap()
    }
}

/// Faults that trigger at a certain point of a process.
#[derive(Default)]
pub struct Traps {
    /// Loses the store for this many seconds once it has marked a refresh token as sent.
    pub cut_at_mark: Option<u64>,
    /// Is suspended for this many seconds once it has sent a refresh token.
    pub freeze_at_refresh: Option<u64>,
}

/// A process's connection to the store, without which it keeps no lease.
#[derive(Default)]
struct Contact {
    /// Only this process cannot reach the store.
    cut: bool,
    silent_since: Option<Duration>,
    /// The end of its last outage that cost it its leases.
    lost: Option<Duration>,
}

/// One run of a process. All its effects on the world pass through here, so that tasks of a dead process have none.
pub struct Life {
    pub run: u32,
    pub world: Arc<World>,
    pub clock: Arc<MachineClock>,
    pub traps: Mutex<Traps>,
    contact: Mutex<Contact>,
}

impl Life {
    pub fn new(run: u32, world: Arc<World>, clock: Arc<MachineClock>) -> Self {
        Self { run, world, clock, traps: Mutex::default(), contact: Mutex::default() }
    }

    /// Waits while the process is suspended; forever, once it is dead.
    pub fn beat(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.clock.heart.beat())
    }

    pub fn set_pulse(&self, pulse: Pulse) {
        *self.clock.heart.pulse.lock().unwrap() = pulse;
        self.listen();
        self.clock.heart.resumed.notify_waiters();
    }

    /// Resumes the process, if it is alive.
    pub fn wake(&self) {
        if self.clock.heart.pulse() == Pulse::Pauses {
            self.set_pulse(Pulse::Beats);
        }
    }

    pub fn stands_still(&self) -> bool {
        self.clock.heart.pulse() == Pulse::Pauses
    }

    /// Suspends it for a time.
    pub fn freeze(self: &Arc<Self>, seconds: u64) {
        self.set_pulse(Pulse::Pauses);
        let life = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            life.wake();
        });
    }

    /// Disconnects it from the store for a time.
    pub fn cut(self: &Arc<Self>, seconds: u64) {
        self.set_cut(true);
        let life = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            life.set_cut(false);
        });
    }

    pub fn set_cut(&self, cut: bool) {
        self.contact.lock().unwrap().cut = cut;
        self.listen();
    }

    /// Records whether it can reach the store from now on.
    fn listen(&self) {
        let now = self.world.time.now();
        let mut contact = self.contact.lock().unwrap();
        let silent = contact.cut || self.clock.heart.pulse() != Pulse::Beats;
        match contact.silent_since {
            None if silent => contact.silent_since = Some(now),
            Some(since) if !silent => {
                contact.silent_since = None;
                if now >= since + LEASE {
                    contact.lost = Some(now);
                }
            }
            None | Some(_) => {}
        }
    }

    /// Whether it was disconnected for the time of a lease since then.
    pub fn lost_contact_since(&self, began: Duration) -> bool {
        let contact = self.contact.lock().unwrap();
        let silent = contact.silent_since.is_some_and(|since| self.world.time.now() >= since + LEASE);
        silent || contact.lost.is_some_and(|lost| lost >= began)
    }

    /// How its store operations fail, if they do: with or without taking effect.
    pub fn store_fails(&self) -> Option<bool> {
        if self.contact.lock().unwrap().cut { Some(false) } else { self.world.state().store_fails }
    }

    pub fn is_over(&self) -> bool {
        self.clock.heart.pulse() == Pulse::Stopped
    }

    /// Dead processes log nothing.
    pub fn log(&self, event: Event) {
        if !self.is_over() {
            self.world.log(event);
        }
    }
}
