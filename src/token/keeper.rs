//! The keeper of one token: what it knows, what it does next, what it publishes. It does no work itself: the pool's
//! task runs the [`Job`]s it asks for and tells it how they ended.

mod advice;
pub(super) mod attempt;
pub(super) mod backoff;
pub(super) mod complaints;
pub(super) mod context;
pub(super) mod forced;
mod outcome;
mod report;

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use self::attempt::Attempt;
use self::backoff::Backoff;
use self::complaints::Complaint;
use self::context::Context;
use self::forced::ForcedBounds;
use super::grant::{Generation, Grant};
use super::handle::shared::{Message, Shared};
use super::handle::view::ViewBuilder;
use super::handle::waiter::Waiter;
use super::plan::{Decision, GrantTimes, Situation, decide};
use super::spec::TokenSpec;
use super::status::{Forced, State};
use crate::clock::Moment;
use crate::panics;
use crate::secret::Secret;

/// Work that a keeper requests from the pool's task.
pub(super) enum Job {
    /// Request a token.
    Mint(Attempt),
    /// Save a grant that could not be saved before.
    Save(Attempt),
}

/// The state of one token and its timers.
pub(super) struct Keeper {
    spec: TokenSpec,
    shared: Weak<Shared>,
    grant: Option<Grant>,
    /// The number of the grant among those of its store name.
    number: u64,
    grant_times: Option<GrantTimes>,
    /// What readers see; published whenever it changes.
    view: ViewBuilder,
    backoff: Backoff,
    bounds: ForcedBounds,
    last_request: Option<Moment>,
    retry_at: Option<Moment>,
    /// The API rejected the current token. It stays in use only while there is no other.
    rejected: bool,
    spent: bool,
    marked: bool,
    save_at: Option<Moment>,
    waiters: Vec<Waiter>,
    /// Who waits for the result of the forced renewal.
    orders: Vec<oneshot::Sender<Forced>>,
    state: State,
    /// The state in the last log line.
    reported: State,
    /// The complaint that this token was last counted under.
    complaint: Option<Complaint>,
    /// When the timer of this keeper fires.
    pub(super) wake: Option<Moment>,
}

impl Keeper {
    pub(super) fn new(spec: TokenSpec, shared: Weak<Shared>) -> Self {
        Self {
            spec,
            shared,
            grant: None,
            number: 0,
            grant_times: None,
            view: ViewBuilder::default(),
            backoff: Backoff::default(),
            bounds: ForcedBounds::default(),
            last_request: None,
            retry_at: None,
            rejected: false,
            spent: false,
            marked: false,
            save_at: None,
            waiters: Vec::new(),
            orders: Vec::new(),
            state: State::Starting,
            reported: State::Starting,
            complaint: None,
            wake: None,
        }
    }

    /// The token was opened again. The newest policy and source apply, because a reload may have changed them.
    pub(super) fn reopen(&mut self, spec: TokenSpec) {
        (self.spec.policy, self.spec.source) = (spec.policy, spec.source);
    }

    /// Whether there is no reader and no work in progress.
    pub(super) fn is_over(&self) -> bool {
        !self.view.running && self.shared.strong_count() == 0
    }

    /// Something panicked while working on this token. A running attempt is considered ended unless `runs`.
    pub(super) fn interrupt(&mut self, runs: bool, wake: Moment) {
        self.view.running = runs;
        self.wake = Some(wake);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.view.running
    }

    pub(super) fn spec(&self) -> &TokenSpec {
        &self.spec
    }

    pub(super) fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    pub(super) fn holds(&self, access: &Secret) -> bool {
        self.grant.as_ref().is_some_and(|grant| grant.access == *access)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether it would adopt this grant if the store had it. With a changed secret, only a grant of its own counts.
    pub(super) fn may_adopt(&self, number: u64) -> bool {
        !self.spec.prove && self.number < number
    }

    pub(super) fn is_live(&self, now: Moment) -> bool {
        let renewable = self.grant.as_ref().is_some_and(|grant| grant.refresh.is_some());
        renewable || self.view.usable(now).is_some()
    }

    /// Takes a message from a reader; [`Keeper::replan`] acts on it.
    pub(super) fn handle(&mut self, message: Message, now: Moment) {
        match message {
            Message::Nudge | Message::Gone => {}
            Message::Rejected(generation) => self.reject(generation, now),
            Message::Force(answer) => self.order(answer, now),
            Message::Waiting(waiter) => {
                if let Waiter::Successor { rejected, .. } = waiter {
                    self.reject(rejected, now);
                }
                self.waiters.push(waiter);
            }
        }
    }

    /// Only a rejection of the current token counts. A late rejection of an older one says nothing.
    fn reject(&mut self, generation: Generation, now: Moment) {
        let present = self.view.token.as_ref().is_some_and(|token| token.generation == generation);
        let Some(shared) = self.shared.upgrade().filter(|_| present) else { return };
        if self.view.running {
            return;
        }
        self.rejected = true;
        if self.view.forcing {
            return;
        }
        if shared.take_accepted(self.bounds.unproven().unwrap_or(generation)) {
            self.bounds.accepted();
        } else {
            self.bounds.rejected(now);
        }
        self.view.forcing = self.bounds.allow(now);
    }

    /// Handles a renewal that was requested without a rejection.
    fn order(&mut self, answer: oneshot::Sender<Forced>, now: Moment) {
        let Some(shared) = self.shared.upgrade() else { return };
        if shared.was_accepted(self.bounds.unproven().unwrap_or(self.view.generation())) {
            self.bounds.accepted();
        }
        let situation = Situation { forced: true, ..self.situation() };
        let planned = match decide(now, &situation, &self.spec.policy) {
            Decision::WaitUntil(moment) => Some(moment),
            Decision::Mint | Decision::WaitForNudge => None,
        };
        let earliest = planned.max(self.bounds.free_from()).filter(|moment| *moment > now && !self.view.running);
        if let Some(moment) = earliest {
            let _ = answer.send(Forced::TooSoon(moment.since(now)));
            return;
        }
        self.view.forcing = true;
        self.orders.push(answer);
    }

    fn situation(&self) -> Situation {
        Situation {
            // A changed secret is tried at once, however long the old secret's token is still valid.
            grant_times: self.grant_times.filter(|_| !self.spec.prove),
            last_request: self.last_request,
            retry_at: self.retry_at,
            forced: self.view.forcing,
            in_use: self.spec.prove || !self.waiters.is_empty(),
        }
    }
}

/// Planning.
impl Keeper {
    /// Plans, publishes, and answers requests that need not wait. `all`: also those that waited before.
    pub(super) fn replan(&mut self, context: &mut Context, all: bool) -> Option<Job> {
        panics::point("keeper", &self.spec.record.upstream);
        let now = context.clock.now();
        self.wake = None;
        let shared = self.shared.upgrade()?;
        let job = self.next_job(now, &shared, context);
        self.view.forced_from = self.bounds.free_from();
        shared.publish(&mut self.view);
        self.answer(now, &shared, all);
        self.report(now, &shared, &mut context.complaints);
        let end = self.view.usable(now).and_then(|token| token.expires()).filter(|_| self.view.trouble.is_some());
        // A running attempt saves as well. Without this, the timer would fire repeatedly with nothing to do.
        let save = self.save_at.filter(|_| !self.view.running);
        self.wake = [self.view.next, save, end].into_iter().flatten().min();
        job
    }

    /// Publishes without planning a next attempt.
    pub(super) fn report_last(&mut self, context: &Context) {
        let now = context.clock.now();
        let Some(shared) = self.shared.upgrade() else { return };
        shared.publish(&mut self.view);
        self.answer(now, &shared, true);
    }

    fn next_job(&mut self, now: Moment, shared: &Shared, context: &Context) -> Option<Job> {
        if self.view.running {
            return None;
        }
        self.view.next = match self.plan(now, shared) {
            Decision::Mint => return Some(Job::Mint(self.start(now, context))),
            Decision::WaitUntil(moment) => Some(moment),
            Decision::WaitForNudge => None,
        };
        self.save_at.take_if(|at| *at <= now).map(|_| Job::Save(self.attempt(context)))
    }

    fn plan(&self, now: Moment, shared: &Shared) -> Decision {
        let situation = self.situation();
        let decision = decide(now, &situation, &self.spec.policy);
        if decision != Decision::WaitForNudge || !self.spec.policy.while_used || shared.fall_asleep() {
            return decision;
        }
        decide(now, &Situation { in_use: true, ..situation }, &self.spec.policy)
    }

    fn start(&mut self, now: Moment, context: &Context) -> Attempt {
        if self.view.forcing {
            self.bounds.started(now);
        }
        (self.view.running, self.view.next) = (true, None);
        self.attempt(context)
    }

    pub(super) fn attempt(&self, context: &Context) -> Attempt {
        Attempt {
            spec: self.spec.clone(),
            store: Arc::clone(&context.store),
            clock: Arc::clone(&context.clock),
            previous: self.grant.clone(),
            number: self.number,
            generation: self.view.generation(),
            rejected: self.rejected,
            spent: self.spent,
            marked: self.marked,
            sent_by_another: false,
            waits: false,
            action: None,
            requested: None,
            forced: self.view.forcing,
        }
    }

    fn answer(&mut self, now: Moment, shared: &Shared, all: bool) {
        let first = if all { 0 } else { self.waiters.len().saturating_sub(1) };
        for waiter in self.waiters.split_off(first) {
            self.waiters.extend(shared.answer(&self.view, waiter, now));
        }
        if self.waiters.is_empty() {
            // Few of many tokens have waiters, so this frees the capacity.
            self.waiters = Vec::new();
        }
    }
}
