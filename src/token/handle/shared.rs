//! What one keeper and its readers share: an atomically swapped view, a few atomics, and a channel for messages.

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, oneshot};

use super::view::{Availability, View, ViewBuilder};
use super::waiter::Waiter;
use crate::clock::{Moment, SharedClock};
use crate::token::grant::Generation;
use crate::token::spec::TokenSpec;
use crate::token::status::Forced;
use crate::token::store::Change;

/// Which keeper a message is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::token) struct KeeperId(pub(in crate::token) u64);

/// The token was not used since the last attempt.
const UNUSED: u8 = 0;
/// The token was used since the last attempt.
const USED: u8 = 1;
/// The token was due for renewal but unused, so its keeper sleeps until the next use.
const ASLEEP: u8 = 2;

/// A message from a reader to the keeper.
pub(in crate::token) enum Message {
    /// A sleeping token is in use again.
    Nudge,
    /// The API rejected this token; no request waits for a new one.
    Rejected(Generation),
    /// A request waits.
    Waiting(Waiter),
    /// A renewal is requested (`POST /refresh`).
    Force(oneshot::Sender<Forced>),
    /// The last reader was dropped.
    Gone,
}

/// How readers send messages to the pool's task.
pub(in crate::token) type Words = UnboundedSender<PoolCommand>;

/// The readers' side of one token. Readers own it and the pool has only a weak reference, so dropping the last reader
/// tells the pool that the token is no longer needed.
pub(in crate::token) struct Shared {
    id: KeeperId,
    commands: Words,
    pub(in crate::token) clock: SharedClock,
    view: ArcSwap<View>,
    generation: AtomicU64,
    accepted: AtomicU64,
    usage: AtomicU8,
    revision: AtomicU64,
    published: Notify,
}

impl Shared {
    pub(in crate::token) fn new(id: KeeperId, commands: Words, clock: SharedClock) -> Self {
        Self {
            id,
            commands,
            clock,
            view: ArcSwap::default(),
            generation: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            usage: AtomicU8::new(USED),
            revision: AtomicU64::new(0),
            published: Notify::new(),
        }
    }

    /// Sends a message to the keeper. After shutdown there is no keeper and the message is dropped.
    pub(in crate::token) fn send(&self, message: Message) {
        let _ = self.commands.send(PoolCommand::Message(self.id, message));
    }

    pub(in crate::token) fn view(&self) -> arc_swap::Guard<Arc<View>> {
        self.view.load()
    }

    pub(in crate::token) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Marks the token as used. Normally one relaxed load.
    pub(in crate::token) fn note_use(&self) {
        if self.usage.load(Ordering::Relaxed) != USED && self.usage.swap(USED, Ordering::Relaxed) == ASLEEP {
            self.send(Message::Nudge);
        }
    }

    /// Records that the API accepted `generation`. Normally one relaxed load.
    pub(in crate::token) fn note_accepted(&self, generation: Generation) {
        if self.accepted.load(Ordering::Relaxed) < generation.0 {
            self.accepted.fetch_max(generation.0, Ordering::Relaxed);
        }
    }

    pub(in crate::token) fn was_accepted(&self, generation: Generation) -> bool {
        self.accepted.load(Ordering::Relaxed) >= generation.0
    }

    pub(in crate::token) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Returns when the revision differs from `seen`.
    pub(in crate::token) async fn wait_past(&self, seen: u64) {
        loop {
            let mut published = std::pin::pin!(self.published.notified());
            published.as_mut().enable();
            if self.revision() != seen {
                return;
            }
            published.await;
        }
    }
}

/// What the keeper calls.
impl Shared {
    /// Publishes a changed view to the readers.
    pub(in crate::token) fn publish(&self, view: &mut ViewBuilder) {
        if view.publish(&self.view) {
            self.generation.store(view.generation().0, Ordering::Release);
            self.announce();
        }
    }

    /// Wakes the watchers, because the view changed, or its meaning changed with time.
    pub(in crate::token) fn announce(&self) {
        self.revision.fetch_add(1, Ordering::AcqRel);
        self.published.notify_waiters();
    }

    /// Whether the API accepted the token since the last call.
    pub(in crate::token) fn take_accepted(&self, generation: Generation) -> bool {
        let before = generation.0.saturating_sub(1);
        self.accepted.fetch_min(before, Ordering::Relaxed) >= generation.0
    }

    /// An attempt ended: starts counting use again.
    pub(in crate::token) fn forget_use(&self) {
        self.usage.store(UNUSED, Ordering::Relaxed);
    }

    /// Answers a waiting request, or returns it if it has to wait longer.
    pub(in crate::token) fn answer(&self, view: &View, waiter: Waiter, now: Moment) -> Option<Waiter> {
        match waiter {
            Waiter::Usable { patience, answer } => {
                let result = match view.availability(now, patience) {
                    Availability::Wait if answer.is_closed() => return None,
                    Availability::Wait => return Some(Waiter::Usable { patience, answer }),
                    Availability::Answer(result) => result,
                    Availability::Ask => Err(view.no_token(now)),
                };
                if result.is_ok() {
                    self.mark_used();
                }
                let _ = answer.send(result);
            }
            Waiter::Successor { rejected, patience, answer } => {
                let token = match view.successor(rejected, now, patience) {
                    Availability::Wait if answer.is_closed() => return None,
                    Availability::Wait => return Some(Waiter::Successor { rejected, patience, answer }),
                    Availability::Answer(token) => token,
                    Availability::Ask => None,
                };
                if token.is_some() {
                    self.mark_used();
                }
                let _ = answer.send(token);
            }
        }
        None
    }

    pub(in crate::token) fn mark_used(&self) {
        self.usage.store(USED, Ordering::Relaxed);
    }

    /// Makes the next use send [`Message::Nudge`]. Returns false if the token was used in the meantime.
    pub(in crate::token) fn fall_asleep(&self) -> bool {
        let slept = self.usage.compare_exchange(UNUSED, ASLEEP, Ordering::Relaxed, Ordering::Relaxed);
        slept != Err(USED)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.send(Message::Gone);
    }
}

/// Commands for the pool's task.
pub(in crate::token) enum PoolCommand {
    /// Start a keeper for this token, or give the existing one new readers.
    Open { id: KeeperId, spec: TokenSpec, shared: Weak<Shared> },
    /// A message from a reader.
    Message(KeeperId, Message),
    /// Another process changed the stored grant.
    Changed(Change),
    /// The process is about to shut down.
    Stopping,
    /// Shut down, and report when done.
    Shutdown(oneshot::Sender<()>),
}
