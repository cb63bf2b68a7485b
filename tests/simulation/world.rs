//! What all actors of one history share.

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

/// A lease whose holder is silent for so long is free.
const LEASE: Duration = Duration::from_secs(4);

/// One world.
pub struct World {
    pub time: Arc<Time>,
    pub setup: Setup,
    pub mutation: Option<Mutation>,
    state: Mutex<State>,
}

/// The part of it that changes.
pub struct State {
    pub rng: fastrand::Rng,
    pub log: Vec<Entry>,
    pub server: Server,
    pub replies: VecDeque<Reply>,
    pub kept: HashMap<(u32, String), Kept>,
    pub holders: HashMap<(u32, String), Holder>,
    /// The longest an operation of the store takes now, in milliseconds.
    pub store_takes: u64,
    /// The store fails; with its effect or without.
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

    /// A while of up to this many milliseconds.
    pub fn while_of(&self, millis: u64) -> Duration {
        Duration::from_millis(self.state().rng.u64(1..=millis.max(1)))
    }
}

/// Whether a process does anything.
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

/// What makes a process go on.
pub struct Heart {
    pulse: Mutex<Pulse>,
    resumed: Notify,
}

impl Heart {
    /// Returns when the process is not paused; never, once it is dead.
    pub async fn beat(&self) {
        while self.pulse() != Pulse::Beats {
            self.resumed.notified().await;
        }
    }

    fn pulse(&self) -> Pulse {
        *self.pulse.lock().unwrap()
    }
}

/// What will happen to a process as soon as it is in the middle of something.
#[derive(Default)]
pub struct Traps {
    /// It loses the store when it has marked a refresh token as sent, for so many seconds.
    pub cut_at_mark: Option<u64>,
    /// It stands still when it has sent one.
    pub freeze_at_refresh: Option<u64>,
}

/// A process's contact to the store, without which it keeps no lease.
#[derive(Default)]
struct Contact {
    /// The store is away for this process alone.
    cut: bool,
    silent_since: Option<Duration>,
    /// The end of its last silence that cost it its leases.
    lost: Option<Duration>,
}

/// One run of a process, from its start to its end. What it does to the world passes through here: a dead process's
/// tasks may linger on the runtime, but nothing comes of them.
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

    /// Returns when the process is not paused; never, once it is dead.
    pub fn beat(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.clock.heart.beat())
    }

    pub fn set_pulse(&self, pulse: Pulse) {
        *self.clock.heart.pulse.lock().unwrap() = pulse;
        self.listen();
        self.clock.heart.resumed.notify_waiters();
    }

    /// Lets the process go on, if it lives.
    pub fn wake(&self) {
        if self.clock.heart.pulse() == Pulse::Pauses {
            self.set_pulse(Pulse::Beats);
        }
    }

    pub fn stands_still(&self) -> bool {
        self.clock.heart.pulse() == Pulse::Pauses
    }

    /// It stands still for a while.
    pub fn freeze(self: &Arc<Self>, seconds: u64) {
        self.set_pulse(Pulse::Pauses);
        let life = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            life.wake();
        });
    }

    /// The store is away for it for a while.
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

    /// Notes whether the store hears of it from now on.
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

    /// Whether the store has not heard of it for a lease's time since then.
    pub fn lost_contact_since(&self, began: Duration) -> bool {
        let contact = self.contact.lock().unwrap();
        let silent = contact.silent_since.is_some_and(|since| self.world.time.now() >= since + LEASE);
        silent || contact.lost.is_some_and(|lost| lost >= began)
    }

    /// How its operations on the store fail, if they do: with their effect or without.
    pub fn store_fails(&self) -> Option<bool> {
        if self.contact.lock().unwrap().cut { Some(false) } else { self.world.state().store_fails }
    }

    pub fn is_over(&self) -> bool {
        self.clock.heart.pulse() == Pulse::Stopped
    }

    /// The dead tell nothing.
    pub fn log(&self, event: Event) {
        if !self.is_over() {
            self.world.log(event);
        }
    }
}
