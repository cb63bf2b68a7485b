//! All tokens of the process: each key has one owner, opened on demand, ended when its last reader goes.

mod registry;
pub(super) mod task;

use self::registry::Registry;
use super::spec::TokenSpec;
use std::sync::{Arc, Weak};

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;

use self::task::Owner;
use super::handle::TokenHandle;
use super::handle::shared::Command;
use super::handle::shared::{Board, KeeperId};
use super::keeper::Context;
use super::keeper::complaints::Complaints;
use super::key::{Recipe, Subject};
use super::store::Store;
use super::store::unsaved::Ledger;
use crate::clock::SharedClock;

/// All tokens of the process. Cheap to clone; owned tokens live on the runtime that [`TokenPool::start`] was called on.
#[derive(Clone)]
pub struct TokenPool {
    registry: Arc<Registry>,
    commands: UnboundedSender<Command>,
    clock: SharedClock,
}

impl TokenPool {
    /// Starts the pool's task on the current runtime.
    pub fn start(clock: SharedClock, store: Arc<dyn Store>, random: fastrand::Rng) -> Self {
        let (commands, heard) = mpsc::unbounded_channel();
        let told = commands.downgrade();
        let store = Arc::new(Ledger::new(store));
        store.on_change(Box::new(move |change| {
            if let Some(commands) = told.upgrade() {
                let _ = commands.send(Command::Changed(change));
            }
        }));
        let registry = Arc::new(Registry::default());
        let context = Context { clock: Arc::clone(&clock), store, random, complaints: Complaints::default() };
        tokio::spawn(Owner::new(context, Arc::clone(&registry), heard).run());
        Self { registry, commands, clock }
    }

    /// A reader of the token `spec.key`; if it has no owner yet, one starts at once. May be called from any thread.
    pub fn open(&self, spec: TokenSpec) -> TokenHandle {
        let mut boards = self.registry.boards();
        let known = boards.by_key.get(&spec.key).and_then(|(id, board)| Some((*id, board.upgrade()?)));
        let (id, board) = known.unwrap_or_else(|| {
            let id = KeeperId(boards.last.saturating_add(1));
            (id, Arc::new(Board::new(id, self.commands.clone(), Arc::clone(&self.clock))))
        });
        boards.last = boards.last.max(id.0);
        boards.by_key.insert(spec.key.clone(), (id, Arc::downgrade(&board)));
        // Sent under the lock, so that the order of the commands is the order of the registry.
        let _ = self.commands.send(Command::Open { id, spec, board: Arc::downgrade(&board) });
        TokenHandle::new(board)
    }

    /// Some subjects, `most` at most, whose tokens of this recipe are in use and well.
    pub fn subjects_of(&self, recipe: Recipe, most: usize) -> Vec<Subject> {
        let boards = self.registry.boards();
        let now = self.clock.now();
        let is_well = |board: &Weak<Board>| board.upgrade().is_some_and(|board| board.view().is_well(now));
        let ours = boards.by_key.iter().filter(|(key, (_, board))| key.recipe == recipe && is_well(board));
        ours.filter_map(|(key, _)| key.subject.clone()).take(most).collect()
    }

    /// How many tokens have a reader, or had one until lately.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.registry.boards().by_key.len()
    }

    /// The process is about to end: a token whose last reader goes is revoked only where its flow asks for that then.
    pub fn announce_shutdown(&self) {
        let _ = self.commands.send(Command::Stopping);
    }

    /// Ends all token requests, saves what is under way, revokes where asked; at most two seconds.
    pub async fn shutdown(&self) {
        let (done, finished) = oneshot::channel();
        let _ = self.commands.send(Command::Shutdown(done));
        let _ = finished.await;
    }
}
