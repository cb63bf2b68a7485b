//! All tokens of the process. Each key has one keeper, started on demand and ended with its last reader.

mod job;
mod registry;
pub(super) mod task;

use std::sync::{Arc, Weak};

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;

use self::registry::Registry;
use self::task::PoolTask;
use super::handle::TokenHandle;
use super::handle::shared::{KeeperId, PoolCommand, Shared};
use super::keeper::complaints::Complaints;
use super::keeper::context::Context;
use super::key::{Recipe, Subject};
use super::spec::TokenSpec;
use super::store::Store;
use super::store::unsaved::BufferedStore;
use crate::clock::SharedClock;

/// All tokens of the process. Cheap to clone. The keepers run on the runtime that [`TokenPool::start`] was called on.
#[derive(Clone)]
pub struct TokenPool {
    registry: Arc<Registry>,
    commands: UnboundedSender<PoolCommand>,
    clock: SharedClock,
}

impl TokenPool {
    /// Starts the pool's task on the current runtime.
    pub fn start(clock: SharedClock, store: Arc<dyn Store>, random: fastrand::Rng) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let weak_commands = commands.downgrade();
        let store = Arc::new(BufferedStore::new(store));
        store.on_change(Box::new(move |change| {
            if let Some(commands) = weak_commands.upgrade() {
                let _ = commands.send(PoolCommand::Changed(change));
            }
        }));
        let registry = Arc::new(Registry::default());
        let context = Context { clock: Arc::clone(&clock), store, random, complaints: Complaints::default() };
        tokio::spawn(PoolTask::new(context, Arc::clone(&registry), received).run());
        Self { registry, commands, clock }
    }

    /// Opens a reader of the token `spec.key`, and starts a keeper if there is none. May be called from any thread.
    pub fn open(&self, spec: TokenSpec) -> TokenHandle {
        let mut shared_by_key = self.registry.shared_by_key();
        let open = shared_by_key.by_key.get(&spec.key).and_then(|(id, shared)| Some((*id, shared.upgrade()?)));
        let (id, shared) = open.unwrap_or_else(|| {
            let id = KeeperId(shared_by_key.last.saturating_add(1));
            (id, Arc::new(Shared::new(id, self.commands.clone(), Arc::clone(&self.clock))))
        });
        shared_by_key.last = shared_by_key.last.max(id.0);
        shared_by_key.by_key.insert(spec.key.clone(), (id, Arc::downgrade(&shared)));
        // Sent under the lock, so that the commands have the order of the registry.
        let _ = self.commands.send(PoolCommand::Open { id, spec, shared: Arc::downgrade(&shared) });
        TokenHandle::new(shared)
    }

    /// Up to `most` subjects of this recipe whose tokens are in use and valid.
    pub fn subjects_of(&self, recipe: Recipe, most: usize) -> Vec<Subject> {
        let shared_by_key = self.registry.shared_by_key();
        let now = self.clock.now();
        let is_well = |shared: &Weak<Shared>| shared.upgrade().is_some_and(|shared| shared.view().is_well(now));
        let ours = shared_by_key.by_key.iter().filter(|(key, (_, shared))| key.recipe == recipe && is_well(shared));
        ours.filter_map(|(key, _)| key.subject.clone()).take(most).collect()
    }

    /// The number of tokens that have a reader, or had one until recently.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.registry.shared_by_key().by_key.len()
    }

    /// The process is about to end: from now on a token is revoked on its last drop only if its flow asks for that at
    /// shutdown.
    pub fn announce_shutdown(&self) {
        let _ = self.commands.send(PoolCommand::Stopping);
    }

    /// Ends all token requests, saves pending grants, and revokes tokens where configured. Takes at most two seconds.
    pub async fn shutdown(&self) {
        let (done, finished) = oneshot::channel();
        let _ = self.commands.send(PoolCommand::Shutdown(done));
        let _ = finished.await;
    }
}
