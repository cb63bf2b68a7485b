//! Plays a history: one runtime, one thread, virtual time.

use std::sync::Arc;
use std::time::Duration;

use crate::history::{Action, History};
use crate::log::{Event, Run};
use crate::mutation::Mutation;
use crate::process::Process;
use crate::store::seconds;
use crate::world::{Pulse, Traps, World};

/// Within this time after the last fault, every keeper has a token again: the longest hold, the longest wait between
/// forced renewals, and the requests.
pub const RECOVERY: Duration = Duration::from_secs(17 * 60);
const BETWEEN_CALLS: Duration = Duration::from_secs(20);

/// Plays a history.
pub fn play(history: &History, mutation: Option<Mutation>) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { Stage::new(history, mutation).play(history).await })
}

struct Stage {
    world: Arc<World>,
    processes: Vec<Option<Process>>,
    /// The faults that end at a time.
    due: Vec<(Duration, Due)>,
    secret: u32,
    known_secret: u32,
}

#[derive(Clone, Copy)]
enum Due {
    Start(usize),
    Resume(usize),
    StoreFast,
    StoreWorks,
    ApiHonest,
    ServerSecret(u32),
    ProcessSecret(u32),
}

impl Stage {
    fn new(history: &History, mutation: Option<Mutation>) -> Self {
        let world = World::new(history.seed, &history.setup, mutation);
        let processes = (0..history.setup.processes).map(|process| Some(Process::start(&world, process, 0))).collect();
        Self { world, processes, due: Vec::new(), secret: 0, known_secret: 0 }
    }

    async fn play(mut self, history: &History) -> Run {
        for step in &history.steps {
            self.wait_until(step.at).await;
            self.world.log(Event::Did(step.action.clone()));
            self.act(&step.action).await;
        }
        self.wait_until(history.healed).await;
        self.heal().await;
        let end = self.world.time.awake() + RECOVERY + BETWEEN_CALLS * 2;
        while self.world.time.awake() < end {
            self.call_everywhere();
            self.wait_until(self.world.time.awake() + BETWEEN_CALLS).await;
        }
        let mut state = self.world.state();
        let subjects = 0..history.setup.subjects.max(1);
        let lost = subjects.filter(|subject| !history.setup.login && !state.server.has_session(*subject)).collect();
        Run { setup: history.setup.clone(), log: std::mem::take(&mut state.log), lost }
    }

    /// Advances time, and ends faults on the way.
    async fn wait_until(&mut self, time: Duration) {
        while let Some(next) = (0..self.due.len()).min_by_key(|index| self.due[*index].0) {
            let (at, due) = self.due[next];
            if at > time {
                break;
            }
            self.due.swap_remove(next);
            self.pass(at).await;
            self.come_due(due);
        }
        self.pass(time).await;
    }

    /// Everything that is ready at a moment runs before the actions of that moment.
    async fn pass(&self, until: Duration) {
        tokio::time::sleep(until.saturating_sub(self.world.time.awake())).await;
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }

    fn later(&mut self, after: Duration, due: Due) {
        self.due.push((self.world.time.awake() + after, due));
    }

    fn running(&mut self, process: usize) -> Option<&mut Process> {
        self.processes[process].as_mut()
    }

    async fn act(&mut self, action: &Action) {
        match *action {
            Action::Call { process, subject, herd, repeatable, patience } => {
                let Some(process) = self.running(process) else { return };
                (0..herd).for_each(|_| process.call(subject, repeatable, patience));
            }
            Action::Force { process, subject } => {
                if let Some(process) = self.running(process) {
                    process.force(subject);
                }
            }
            Action::Replies { reply, times } => self.world.state().replies.extend((0..times).map(|_| reply)),
            Action::Crash { process, down } => self.end(process, down, false).await,
            Action::Restart { process, down } => self.end(process, down, true).await,
            Action::Pause { process, seconds } => {
                if let Some(running) = self.running(process) {
                    running.set_pulse(Pulse::Pauses);
                    self.later(Duration::from_secs(seconds), Due::Resume(process));
                }
            }
            Action::Cut { process, .. }
            | Action::CutAtMark { process, .. }
            | Action::FreezeAtRefresh { process, .. } => {
                if let Some(process) = self.running(process) {
                    process.set_trap(action);
                }
            }
            Action::StepWall { process, seconds } => {
                if let Some(process) = self.running(process) {
                    process.life.clock.step_wall(seconds);
                }
            }
            Action::Suspend { seconds } => self.world.time.suspend(seconds),
            Action::Die { sessions } => self.world.state().server.die(sessions),
            _ => self.disturb(action),
        }
    }

    /// Starts faults that have a duration.
    fn disturb(&mut self, action: &Action) {
        match *action {
            Action::SlowStore { millis, seconds } => {
                self.world.state().store_takes = millis;
                self.later(Duration::from_secs(seconds), Due::StoreFast);
            }
            Action::BrokenStore { seconds, takes_effect } => {
                self.world.state().store_fails = Some(takes_effect);
                self.later(Duration::from_secs(seconds), Due::StoreWorks);
            }
            Action::ApiRejects { seconds } => {
                self.world.state().server.api_rejects = true;
                self.later(Duration::from_secs(seconds), Due::ApiHonest);
            }
            Action::NewSecret { server_after, processes_after } => {
                self.secret += 1;
                self.later(seconds(server_after), Due::ServerSecret(self.secret));
                self.later(seconds(processes_after), Due::ProcessSecret(self.secret));
            }
            _ => {}
        }
    }

    fn come_due(&mut self, due: Due) {
        match due {
            Due::Start(process) => self.start(process),
            Due::Resume(process) => {
                if let Some(process) = self.running(process) {
                    process.life.wake();
                }
            }
            Due::StoreFast => self.world.state().store_takes = 50,
            Due::StoreWorks => self.world.state().store_fails = None,
            Due::ApiHonest => self.world.state().server.api_rejects = false,
            Due::ServerSecret(secret) => {
                let server = &mut self.world.state().server;
                server.secret = server.secret.max(secret);
            }
            Due::ProcessSecret(secret) if secret > self.known_secret => {
                self.known_secret = secret;
                self.processes.iter_mut().flatten().for_each(|process| process.learn(secret));
            }
            Due::ProcessSecret(_) => {}
        }
    }

    fn start(&mut self, process: usize) {
        let secret = self.known_secret;
        let world = &self.world;
        self.processes[process].get_or_insert_with(|| Process::start(world, process, secret));
    }

    async fn end(&mut self, process: usize, down: u64, in_good_order: bool) {
        let Some(ended) = self.processes[process].take() else { return };
        *ended.life.traps.lock().unwrap() = Traps::default();
        // A suspended process reacts only to SIGKILL.
        if in_good_order && !ended.life.stands_still() {
            ended.stop().await
        } else {
            ended.crash()
        }
        self.later(Duration::from_secs(down), Due::Start(process));
    }

    async fn heal(&mut self) {
        self.due.sort_by_key(|(at, _)| *at);
        for (_, due) in std::mem::take(&mut self.due) {
            self.come_due(due);
        }
        (0..self.processes.len()).for_each(|process| self.start(process));
        self.processes.iter().flatten().for_each(Process::heal);
        let mut state = self.world.state();
        state.replies.clear();
        state.healed = true;
        drop(state);
        self.world.log(Event::Healed);
    }

    fn call_everywhere(&mut self) {
        for process in self.processes.iter_mut().flatten() {
            (0..self.world.setup.subjects.max(1)).for_each(|subject| process.call(subject, true, 10));
        }
    }
}
