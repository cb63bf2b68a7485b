//! A simulated store whose operations are slow, fail with or without taking effect, and end with their process. Its
//! leases expire after a time, like those of Redis, or end with their process, like file locks.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bearerd::clock::{Clock, Moment};
use bearerd::token::grant::{Grant, Life as TokenLife};
use bearerd::token::key::StoreKey;
use bearerd::token::source::BoxFuture;
use bearerd::token::store::{LONGEST_LEASE, Lease, Leased, Store, StoreError, StoreFault, Stored};

use crate::log::{Event, Found};
use crate::mutation::Mutation;
use crate::world::Life;

/// The interval for polling a lease.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A stored grant. Times are wall-clock times, because the next process may run on another machine.
#[derive(Clone)]
pub struct Kept {
    stored: Stored,
    issued: SystemTime,
    ends: Option<SystemTime>,
}

/// The lease of a name.
#[derive(Clone, Default)]
pub struct Holder {
    /// The number of the newest lease.
    fence: u64,
    /// Its holder, while it is held.
    held: Option<Held>,
}

/// A lease: holder, start, latest end.
#[derive(Clone)]
struct Held(Arc<Life>, Duration, Duration);

/// The store as one process sees it.
#[derive(Clone)]
pub struct SimStore(pub Arc<Life>);

impl SimStore {
    /// A memory store is a different one in each run.
    fn place(&self, key: &StoreKey) -> (u32, String) {
        let run = if self.0.world.setup.lasting { 0 } else { self.0.run };
        (run, key.as_str().to_owned())
    }

    fn on_the_wall(&self, moment: Moment) -> SystemTime {
        let (now, wall) = (self.0.clock.now(), self.0.clock.wall());
        if moment > now { wall + moment.since(now) } else { wall - now.since(moment) }
    }

    fn on_our_clock(&self, time: SystemTime) -> Moment {
        let (now, wall) = (self.0.clock.now(), self.0.clock.wall());
        match time.duration_since(wall) {
            Ok(ahead) => now + ahead,
            Err(behind) => now - behind.duration(),
        }
    }

    /// A file lock ends with its process, but a suspended process keeps it.
    fn may_be_held_for_ever(&self) -> bool {
        self.0.world.setup.lasting && !self.0.world.setup.leases_expire
    }

    /// The delay of one message between process and store.
    async fn way(&self) {
        let most = self.0.world.state().store_takes;
        tokio::time::sleep(self.0.world.while_of(most)).await;
        self.0.beat().await;
    }

    fn keep(&self, key: &StoreKey, stored: &Stored) {
        let mut stored = stored.clone();
        if self.0.world.mutation == Some(Mutation::StoreForgetsMarks) {
            stored.refresh_sent = false;
        }
        let ends = match stored.grant.life {
            TokenLife::Until(end) => Some(self.on_the_wall(end)),
            TokenLife::UntilRejected => None,
        };
        let kept = Kept { issued: self.on_the_wall(stored.grant.issued), ends, stored };
        let place = self.place(key);
        self.0.world.state().kept.insert(place, kept);
    }

    fn find(&self, key: &StoreKey) -> Option<Stored> {
        let place = self.place(key);
        let Kept { mut stored, issued, ends } = self.0.world.state().kept.get(&place).cloned()?;
        stored.grant.issued = self.on_our_clock(issued);
        stored.grant.life = ends.map_or(TokenLife::UntilRejected, |end| TokenLife::Until(self.on_our_clock(end)));
        Some(stored)
    }

    fn tell(&self, key: &StoreKey, result: &Result<Option<Stored>, StoreError>) {
        let found = match result {
            Err(_) => Found::Error,
            Ok(None) => Found::Nothing,
            Ok(Some(stored)) => found(&stored.grant, stored.refresh_sent),
        };
        self.0.log(Event::Loaded { run: self.0.run, subject: subject(key), found });
    }

    /// The lease, if it is free.
    fn try_lease(&self, key: &StoreKey) -> Option<(u64, Held)> {
        let (place, now) = (self.place(key), self.0.world.time.now());
        let expires = self.0.world.setup.leases_expire;
        let mut state = self.0.world.state();
        let holder = state.holders.entry(place).or_default();
        let free = holder.held.as_ref().is_none_or(|Held(life, from, until)| {
            if expires { *until <= now || life.lost_contact_since(*from) } else { life.is_over() }
        });
        free.then(|| {
            let held = Held(Arc::clone(&self.0), now, now + LONGEST_LEASE);
            holder.fence += 1;
            holder.held = Some(held.clone());
            (holder.fence, held)
        })
    }

    async fn wait_for_lease(&self, key: &StoreKey, patience: Duration) -> Result<(u64, Held), StoreError> {
        let until = self.0.world.time.awake() + patience;
        loop {
            if self.0.store_fails().is_some() {
                return Err(away());
            }
            match self.try_lease(key) {
                Some(leased) => return Ok(leased),
                None if self.0.world.time.awake() >= until => {
                    return Err(StoreError::new(StoreFault::Held, "another process holds the lease"));
                }
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
            self.0.beat().await;
        }
    }
}

impl Store for SimStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(async move {
            self.0.beat().await;
            self.way().await;
            if self.0.store_fails().is_some() {
                return Err(away());
            }
            let kept = Ok(self.find(key));
            self.tell(key, &kept);
            kept
        })
    }

    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>> {
        self.lease_within(key, LONGEST_LEASE)
    }

    fn lease_within<'a>(&'a self, key: &'a StoreKey, patience: Duration) -> BoxFuture<'a, Result<Leased, StoreError>> {
        Box::pin(async move {
            self.0.beat().await;
            let patience = if self.0.world.breaks(Mutation::StandsInLine) { LONGEST_LEASE } else { patience };
            if self.may_be_held_for_ever() {
                self.0.log(Event::Queued { run: self.0.run, subject: subject(key), patience });
            }
            let patience = if self.may_be_held_for_ever() { patience } else { LONGEST_LEASE };
            self.way().await;
            let leased = self.wait_for_lease(key, patience).await;
            let kept = leased.clone().map(|_| self.find(key));
            self.tell(key, &kept);
            let (kept, (fence, held)) = (kept?, leased?);
            let (run, subject) = (self.0.run, subject(key));
            self.0.log(Event::Leased { run, subject, lease: fence });
            if self.0.world.breaks(Mutation::GivesLeaseBack) {
                self.0.log(Event::GaveBack { run, subject, lease: fence });
            }
            let lease = Box::new(SimLease { store: self.clone(), key: key.clone(), fence, held });
            self.way().await;
            Ok(Leased { kept, lease })
        })
    }

    fn retire(&self, key: &StoreKey) {
        if !self.0.is_over() && !self.lasts() {
            self.0.world.state().kept.remove(&self.place(key));
        }
    }

    fn lasts(&self) -> bool {
        self.0.world.setup.lasting
    }

    fn is_shared(&self) -> bool {
        self.0.world.setup.lasting && self.0.world.setup.leases_expire
    }
}

/// A lease, valid until another one starts.
struct SimLease {
    store: SimStore,
    key: StoreKey,
    fence: u64,
    held: Held,
}

impl SimLease {
    fn is_lost(&self) -> bool {
        let place = self.store.place(&self.key);
        self.store.0.world.state().holders.get(&place).is_none_or(|holder| holder.fence != self.fence)
    }
}

impl Lease for SimLease {
    fn save<'a>(&'a mut self, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let life = &self.store.0;
            life.beat().await;
            self.store.way().await;
            let (fails, lost) = (life.store_fails(), self.is_lost() || self.is_over());
            if fails != Some(false) && !lost {
                self.store.keep(&self.key, stored);
            }
            let access = stored.grant.access.expose().to_owned();
            let (mark, ok) = (stored.refresh_sent, fails.is_none() && !lost);
            let hidden = if mark { Mutation::HidesMarks } else { Mutation::HidesSaves };
            let life_log = |event| {
                if !life.world.breaks(hidden) {
                    life.log(event)
                }
            };
            life_log(Event::Saved { run: life.run, subject: subject(&self.key), access, mark, ok });
            let trap = if mark && ok { life.traps.lock().unwrap().cut_at_mark.take() } else { None };
            self.store.way().await;
            if let Some(seconds) = trap {
                life.cut(seconds);
            }
            if ok { Ok(()) } else { Err(away()) }
        })
    }

    fn is_over(&self) -> bool {
        let Held(life, from, until) = &self.held;
        life.world.setup.leases_expire && (*until <= life.world.time.now() || life.lost_contact_since(*from))
    }
}

/// Dead processes release nothing.
impl Drop for SimLease {
    fn drop(&mut self) {
        let life = &self.store.0;
        life.log(Event::GaveBack { run: life.run, subject: subject(&self.key), lease: self.fence });
        if life.is_over() || self.is_lost() {
            return;
        }
        let place = self.store.place(&self.key);
        if let Some(holder) = life.world.state().holders.get_mut(&place) {
            holder.held = None;
        }
    }
}

fn found(grant: &Grant, mark: bool) -> Found {
    let refresh = grant.refresh.as_ref().map(|secret| secret.expose().to_owned());
    Found::Grant { access: grant.access.expose().to_owned(), refresh, mark }
}

fn away() -> StoreError {
    StoreError::new(StoreFault::Failed, "the store is away")
}

pub fn name(subject: u32) -> StoreKey {
    StoreKey::new([subject.to_string().as_str()])
}

fn subject(key: &StoreKey) -> u32 {
    key.as_str().trim_matches('"').parse().unwrap()
}

/// A duration as a token endpoint would say it.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
