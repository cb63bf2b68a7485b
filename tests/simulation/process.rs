//! A process: a pool with its readers. It crashes, restarts, and learns new secrets.

use std::sync::Arc;
use std::time::Duration;

use bearerd::clock::SharedClock;
use bearerd::record::TokenRecord;
use bearerd::token::handle::TokenHandle;
use bearerd::token::key::{RecipeWriter, SubjectPattern, TokenKey};
use bearerd::token::plan::Policy;
use bearerd::token::pool::TokenPool;
use bearerd::token::spec::TokenSpec;
use tokio::task::JoinSet;

use crate::caller::{Caller, look};
use crate::history::Action;
use crate::log::{Event, Owner};
use crate::source::SimSource;
use crate::store::{SimStore, name, seconds};
use crate::time::MachineClock;
use crate::world::{Life, Pulse, Traps, World};

/// A running process.
pub struct Process {
    pub life: Arc<Life>,
    pool: TokenPool,
    doors: Vec<Door>,
    callers: JoinSet<()>,
    secret: u32,
}

/// The token handles of one subject.
#[derive(Clone)]
pub struct Door {
    pub owner: Owner,
    pub handle: TokenHandle,
    /// The handle of a changed secret, until that works.
    candidate: Option<(Owner, TokenHandle)>,
}

impl Process {
    pub fn start(world: &Arc<World>, process: usize, secret: u32) -> Self {
        let run = world.next_id();
        world.log(Event::Started { run, process, secret });
        let up = Duration::from_secs(3_600 * (1 + u64::from(run) % 5));
        let clock = Arc::new(MachineClock::new(Arc::clone(&world.time), up));
        let life = Arc::new(Life::new(run, Arc::clone(world), clock));
        let random = fastrand::Rng::with_seed(world.state().rng.u64(..));
        let shared: SharedClock = Arc::<MachineClock>::clone(&life.clock);
        let pool = TokenPool::start(shared, Arc::new(SimStore(Arc::clone(&life))), random);
        let mut process = Self { life, pool, doors: Vec::new(), callers: JoinSet::new(), secret };
        for subject in 0..world.setup.subjects.max(1) {
            let (owner, handle) = process.open(subject, false);
            process.doors.push(Door { owner, handle, candidate: None });
        }
        process
    }

    fn open(&self, subject: u32, prove: bool) -> (Owner, TokenHandle) {
        let setup = &self.life.world.setup;
        let owner = Owner { run: self.life.run, secret: self.secret, subject };
        let mut recipe = RecipeWriter::default();
        recipe.part("secret", &self.secret.to_le_bytes());
        let named = SubjectPattern::new("[0-9]+").unwrap().subject(&subject.to_string());
        let spec = TokenSpec {
            key: TokenKey { recipe: recipe.finish(), subject: named.filter(|_| setup.subjects > 0) },
            store_key: name(subject),
            source: Arc::new(SimSource { life: Arc::clone(&self.life), owner }),
            policy: policy(setup).into(),
            record: Arc::new(TokenRecord::new("simulated")),
            prove,
        };
        // One keeper per subject and secret; without subjects there is one keeper.
        (owner, self.pool.open(spec))
    }

    /// Tries the changed secret in addition to the old one.
    pub fn learn(&mut self, secret: u32) {
        self.secret = secret;
        for subject in 0..self.doors.len() {
            let candidate = self.open(subject as u32, true);
            self.doors[subject].candidate = Some(candidate);
        }
    }

    /// The handle that the subject's requests use now.
    pub fn door(&mut self, subject: u32) -> Door {
        let door = &mut self.doors[subject as usize];
        if let Some((owner, handle)) = door.candidate.take_if(|(_, handle)| handle.generation().0 > 0) {
            (door.owner, door.handle) = (owner, handle);
        }
        door.clone()
    }

    pub fn call(&mut self, subject: u32, repeatable: bool, patience: u64) {
        let Door { owner, handle, .. } = self.door(subject);
        look(&self.life, owner, &handle);
        let caller = Caller { life: Arc::clone(&self.life), owner, handle, repeatable, patience: seconds(patience) };
        self.callers.spawn(caller.run());
    }

    pub fn force(&mut self, subject: u32) {
        let handle = self.door(subject).handle;
        self.callers.spawn(async move { drop(handle.force().await) });
    }

    pub fn set_pulse(&self, pulse: Pulse) {
        self.life.set_pulse(pulse);
    }

    /// Arms faults that trigger within an operation, or affect only this process.
    pub fn set_trap(&self, action: &Action) {
        let mut traps = self.life.traps.lock().unwrap();
        match *action {
            Action::CutAtMark { seconds, .. } => traps.cut_at_mark = Some(seconds),
            Action::FreezeAtRefresh { seconds, .. } => traps.freeze_at_refresh = Some(seconds),
            Action::Cut { seconds, .. } => self.life.cut(seconds),
            _ => {}
        }
    }

    /// Ends all its faults.
    pub fn heal(&self) {
        *self.life.traps.lock().unwrap() = Traps::default();
        self.life.set_cut(false);
        self.life.wake();
        self.life.clock.set_wall_right();
    }

    /// Ends it; nothing that it started continues.
    pub fn crash(self) {
        self.life.log(Event::Ended { run: self.life.run });
        self.set_pulse(Pulse::Stopped);
    }

    pub async fn stop(self) {
        self.pool.shutdown().await;
        self.crash();
    }
}

fn policy(setup: &crate::history::Setup) -> Policy {
    Policy {
        min_interval: seconds(setup.min_interval),
        exclusive: setup.exclusive,
        while_used: setup.while_used,
        ..Policy::default()
    }
}
