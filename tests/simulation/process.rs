//! A process: a pool with its readers. It dies where it stands, starts again, learns of a new secret.

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
    /// The newest secret that it knows.
    secret: u32,
}

/// Where the requests of one subject get their token.
#[derive(Clone)]
pub struct Door {
    pub owner: Owner,
    pub handle: TokenHandle,
    /// With a changed secret, until it has proved itself.
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
        // One subject's keeper with one secret is one owner; without subjects there is one keeper.
        (owner, self.pool.open(spec))
    }

    /// The changed secret is tried beside the old one.
    pub fn learn(&mut self, secret: u32) {
        self.secret = secret;
        for subject in 0..self.doors.len() {
            let candidate = self.open(subject as u32, true);
            self.doors[subject].candidate = Some(candidate);
        }
    }

    /// Where the subject's requests get their token now.
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

    /// Faults that wait for it to be in the middle of something, or are its own.
    pub fn set_trap(&self, action: &Action) {
        let mut traps = self.life.traps.lock().unwrap();
        match *action {
            Action::CutAtMark { seconds, .. } => traps.cut_at_mark = Some(seconds),
            Action::FreezeAtRefresh { seconds, .. } => traps.freeze_at_refresh = Some(seconds),
            Action::Cut { seconds, .. } => self.life.cut(seconds),
            _ => {}
        }
    }

    /// Ends all that was wrong with it.
    pub fn heal(&self) {
        *self.life.traps.lock().unwrap() = Traps::default();
        self.life.set_cut(false);
        self.life.wake();
        self.life.clock.set_wall_right();
    }

    /// Nothing that it has begun goes on.
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
