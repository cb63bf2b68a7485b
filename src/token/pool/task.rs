//! The pool's task: owns all keepers, one timer queue, and the running jobs. An idle token costs one entry.

mod guarded;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::job::{self, JobResult};
use super::registry::Registry;
use crate::clock::{Moment, SharedClock};
use crate::secret::Secret;
use crate::token::grant::Grant;
use crate::token::handle::shared::PoolCommand;
use crate::token::handle::shared::{KeeperId, Message, Shared};
use crate::token::keeper::attempt::AttemptResult;
use crate::token::keeper::context::Context;
use crate::token::keeper::{Job, Keeper};
use crate::token::key::StoreKey;
use crate::token::source::Outcome;
use crate::token::spec::TokenSpec;
use crate::token::store::{Change, Store};

/// The longest sleep. After a suspend, timers are checked again with a clock that kept running.
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// The time limit for shutdown.
const LAST_WORK: Duration = Duration::from_secs(2);
/// The time limit for a revocation while the process continues.
const REVOCATION: Duration = Duration::from_secs(10);

pub(in crate::token) struct PoolTask {
    context: Context,
    registry: Arc<Registry>,
    commands: UnboundedReceiver<PoolCommand>,
    /// Boxed, because a growing table reserves space for twice as many.
    keepers: HashMap<KeeperId, Box<Keeper>>,
    /// The keepers of each store name: more than one after a secret has changed.
    names: BTreeSet<(StoreKey, KeeperId)>,
    timers: BTreeSet<(Moment, KeeperId)>,
    jobs: JoinSet<(KeeperId, JobResult)>,
    stopping: bool,
}

impl PoolTask {
    pub(in crate::token) fn new(
        context: Context,
        registry: Arc<Registry>,
        commands: UnboundedReceiver<PoolCommand>,
    ) -> Self {
        Self {
            context,
            registry,
            commands,
            keepers: HashMap::new(),
            names: BTreeSet::new(),
            timers: BTreeSet::new(),
            jobs: JoinSet::new(),
            stopping: false,
        }
    }

    /// Runs until it is shut down, or no sender is left.
    pub(in crate::token) async fn run(mut self) {
        loop {
            let nap = self.nap();
            tokio::select! {
                // In this order, so that a simulation is reproducible.
                biased;
                command = self.commands.recv() => match command {
                    Some(PoolCommand::Open { id, spec, shared }) => self.guarded(id, false, |task| task.open(id, spec, shared)),
                    Some(PoolCommand::Message(id, message)) => self.guarded(id, false, |task| task.message(id, message)),
                    Some(PoolCommand::Changed(change)) => self.changed(&change),
                    Some(PoolCommand::Stopping) => self.stopping = true,
                    Some(PoolCommand::Shutdown(done)) => {
                        let _ = tokio::time::timeout(LAST_WORK, self.finish()).await;
                        let _ = done.send(());
                        return;
                    }
                    None => return self.finish().await,
                },
                Some(Ok((id, done))) = self.jobs.join_next() => self.guarded(id, true, |task| task.done(id, done)),
                () = self.context.clock.sleep(nap) => self.fire_timers(),
            }
        }
    }

    fn nap(&self) -> Duration {
        let next = self.timers.first().map(|(at, _)| at.since(self.context.clock.now()));
        next.unwrap_or(LONGEST_NAP).min(LONGEST_NAP)
    }

    fn open(&mut self, id: KeeperId, spec: TokenSpec, shared: Weak<Shared>) {
        if let Some(keeper) = self.keepers.get_mut(&id) {
            keeper.reopen(spec);
        } else {
            self.names.insert((spec.store_key.clone(), id));
            self.keepers.insert(id, Box::new(Keeper::new(spec, shared)));
        }
        self.replan(id, true);
    }

    fn message(&mut self, id: KeeperId, message: Message) {
        let now = self.context.clock.now();
        if let Some(keeper) = self.keepers.get_mut(&id) {
            keeper.handle(message, now);
            self.replan(id, false);
        }
    }

    /// Reads the changed grant for every keeper that uses it.
    fn changed(&mut self, change: &Change) {
        for (id, keeper) in &self.keepers {
            let key = &keeper.spec().store_key;
            if *change == Change::Any || matches!(change, Change::Of(changed) if changed == key) {
                let (id, key, store) = (*id, key.clone(), Arc::clone(&self.context.store));
                self.jobs.spawn(async move { (id, JobResult::Looked(store.load(&key).await.ok().flatten())) });
            }
        }
    }

    fn done(&mut self, id: KeeperId, done: JobResult) {
        let Some(keeper) = self.keepers.get_mut(&id) else { return };
        match done {
            JobResult::Minted(ended) => {
                let (attempt, end) = *ended;
                keeper.ended(attempt, end, &mut self.context);
            }
            JobResult::Panicked => {
                let attempt = keeper.attempt(&self.context).broken_off();
                keeper.ended(attempt, AttemptResult::Failed(job::failure()), &mut self.context);
            }
            JobResult::Saved(done) => keeper.saved(done, self.context.clock.now()),
            JobResult::Looked(stored) => keeper.looked(stored.as_ref(), &mut self.context),
            JobResult::Revoked => {}
        }
        self.replan(id, true);
    }

    /// Plans all keepers whose timer has fired.
    fn fire_timers(&mut self) {
        let now = self.context.clock.now();
        while let Some((_, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.guarded(id, false, |task| task.replan(id, true));
        }
    }

    /// Lets a keeper plan after an event, and updates its timer.
    fn replan(&mut self, id: KeeperId, all: bool) {
        let Some(keeper) = self.keepers.get_mut(&id) else { return };
        let before = keeper.wake;
        let job = keeper.replan(&mut self.context, all);
        let (after, over) = (keeper.wake, keeper.is_over());
        if before != after {
            before.map(|at| self.timers.remove(&(at, id)));
            after.map(|at| self.timers.insert((at, id)));
        }
        match job {
            Some(Job::Mint(attempt)) => {
                self.jobs.spawn(async move { (id, job::mint(attempt).await) });
            }
            Some(Job::Save(attempt)) => {
                self.jobs.spawn(async move { (id, job::save(attempt).await) });
            }
            None if over => self.retire(id),
            None => {}
        }
    }
}

/// Ending keepers.
impl PoolTask {
    /// Ends the keeper of a token without readers. The next reader gets a new keeper.
    fn retire(&mut self, id: KeeperId) {
        let Some(mut keeper) = self.keepers.remove(&id) else { return };
        keeper.complain(None, &mut self.context.complaints, self.context.clock.now());
        self.registry.forget(&keeper.spec().key, id);
        let key = &keeper.spec().store_key;
        self.names.remove(&(key.clone(), id));
        let mut others = self.of_name(key).peekable();
        if others.peek().is_none() {
            self.context.store.retire(key);
        }
        let number = keeper.number();
        let uses = |other: &Keeper, access: &Secret| other.holds(access) || other.may_adopt(number);
        let in_use = keeper.grant().is_some_and(|ours| others.any(|other| uses(other, &ours.access)));
        drop(others);
        self.save_last(id, &keeper);
        if !in_use {
            self.revoke(id, &keeper, REVOCATION);
        }
    }

    /// Tries once more to save an unsaved grant. Other keepers of the name know it and try again.
    fn save_last(&mut self, id: KeeperId, keeper: &Keeper) {
        let key = keeper.spec().store_key.clone();
        let alone = self.of_name(&key).next().is_none();
        if !self.context.store.lacks(&key) {
            return;
        }
        let (store, attempt, number) =
            (Arc::clone(&self.context.store), keeper.attempt(&self.context), keeper.number());
        self.jobs.spawn(async move {
            let saved = attempt.save_again().await.is_ok();
            if alone {
                store.forget(&key, number);
            }
            (id, JobResult::Saved(saved))
        });
    }

    fn of_name<'a>(&'a self, key: &'a StoreKey) -> impl Iterator<Item = &'a Keeper> {
        let first = (key.clone(), KeeperId(0));
        let ids = self.names.range(first..).take_while(move |(name, _)| name == key).map(|(_, id)| id);
        ids.filter_map(|id| self.keepers.get(id)).map(|keeper| &**keeper)
    }

    /// Revokes the keeper's grant at its server, best effort. A persistent store keeps it for the next start instead.
    fn revoke(&mut self, id: KeeperId, keeper: &Keeper, patience: Duration) {
        let spec = keeper.spec().clone();
        let wanted = spec.source.can_revoke() && (!self.stopping || spec.source.revokes_at_shutdown());
        let useful = wanted && !self.context.store.lasts() && keeper.is_live(self.context.clock.now());
        let Some(grant) = keeper.grant().filter(|_| useful).cloned() else { return };
        let clock = Arc::clone(&self.context.clock);
        self.jobs.spawn(async move {
            revoke(&spec, &grant, &clock, patience).await;
            (id, JobResult::Revoked)
        });
    }

    /// Ends running jobs. A request that may rotate a refresh token is awaited and its reply saved.
    async fn finish(&mut self) {
        self.commands.close();
        self.stopping = true;
        let keepers = std::mem::take(&mut self.keepers);
        let (busy, idle): (HashMap<_, _>, HashMap<_, _>) = keepers.into_iter().partition(|(_, k)| k.is_busy());
        idle.iter().for_each(|(id, keeper)| self.revoke(*id, keeper, LAST_WORK));
        let mut busy = busy;
        while let Some(ended) = self.jobs.join_next().await {
            // A panic leaves its token as it was.
            let Ok((id, JobResult::Minted(ended))) = ended else { continue };
            let Some(mut keeper) = busy.remove(&id) else { continue };
            keeper.ended(ended.0, ended.1, &mut self.context);
            keeper.report_last(&self.context);
            self.revoke(id, &keeper, LAST_WORK);
        }
    }
}

async fn revoke(spec: &TokenSpec, grant: &Grant, clock: &SharedClock, patience: Duration) {
    let started = clock.now();
    let call = spec.source.revoke(spec.key.subject.as_ref(), grant);
    let upstream = &*spec.record.upstream;
    let outcome = match tokio::time::timeout(patience, call).await {
        Ok(Ok(())) => Outcome::Ok,
        Ok(Err(error)) => {
            tracing::info!(upstream, "the token was not revoked: {error}");
            error.outcome
        }
        Err(_) => {
            tracing::info!(upstream, "the token was not revoked: no answer in time");
            Outcome::Timeout
        }
    };
    spec.record.token_request("revoke", outcome.as_str(), clock.now().since(started));
}
