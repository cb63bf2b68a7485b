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

/// One run of a process, from its start to its end. What it does to the world passes through here: a dead process's
/// tasks may linger on the runtime, but nothing comes of them.
pub struct Life {
    pub run: u32,
    pub world: Arc<World>,
    pub clock: Arc<MachineClock>,
    pulse: Mutex<Pulse>,
    resumed: Notify,
}

impl Life {
    pub fn new(run: u32, world: Arc<World>, clock: Arc<MachineClock>) -> Self {
        Self { run, world, clock, pulse: Mutex::new(Pulse::Beats), resumed: Notify::new() }
    }

    /// Returns when the process is not paused; never, once it is dead.
    pub fn beat(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            while self.pulse() != Pulse::Beats {
                self.resumed.notified().await;
            }
        })
    }

    fn pulse(&self) -> Pulse {
        *self.pulse.lock().unwrap()
    }

    pub fn set_pulse(&self, pulse: Pulse) {
        *self.pulse.lock().unwrap() = pulse;
        self.resumed.notify_waiters();
    }

    pub fn is_over(&self) -> bool {
        self.pulse() == Pulse::Stopped
    }

    /// The dead tell nothing.
    pub fn log(&self, event: Event) {
        if !self.is_over() {
            self.world.log(event);
        }
    }
}
