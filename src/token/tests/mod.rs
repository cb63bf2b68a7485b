//! The whole core on a paused clock: a scripted endpoint on one side, readers on the other, no sockets.

mod adopting;
pub(crate) mod fake;
mod faults;
mod forcing;
mod lifetime;
mod marks;
mod refreshing;
mod renewing;
mod reporting;
mod siblings;
mod size;
mod storing;
mod waiting;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use super::grant::{Generation, Token};
use super::handle::TokenHandle;
use super::key::{RecipeWriter, StoreKey, SubjectPattern, TokenKey};
use super::plan::Policy;
use super::pool::TokenPool;
use super::source::BoxFuture;
use super::spec::TokenSpec;
use super::store::memory::MemoryStore;
use super::store::{Change, Lease, Leased, Store, StoreError, StoreFault, Stored, Tell};
use crate::clock::{Clock, Moment, PausedClock, SharedClock};
use crate::record::TokenRecord;
use fake::{Call, FakeSource, Reply, answer, grant};

const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(10);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// tokio's paused clock, which can jump ahead as after a suspend.
struct JumpingClock {
    paused: PausedClock,
    ahead: AtomicU64,
}

impl Clock for JumpingClock {
    fn now(&self) -> Moment {
        self.paused.now() + seconds(self.ahead.load(Ordering::Relaxed))
    }

    fn wall(&self) -> SystemTime {
        self.paused.wall() + seconds(self.ahead.load(Ordering::Relaxed))
    }
}

/// A memory store with a log that can be slow, unreachable, or persistent.
#[derive(Default)]
struct TestStore {
    inner: MemoryStore,
    moods: Arc<Moods>,
    leases: AtomicU64,
    lasts: AtomicBool,
    shared: AtomicBool,
    tell: OnceLock<Tell>,
}

#[derive(Default)]
struct Moods {
    log: Mutex<Vec<&'static str>>,
    away: AtomicBool,
    /// Another process took over the lease and saved this.
    usurped: Mutex<Option<Stored>>,
    /// The process was suspended past the end of the lease.
    late: AtomicBool,
    slow: AtomicU64,
    /// The fault while it fails.
    fault: Mutex<Option<StoreFault>>,
    /// The holder of its leases is suspended.
    held: AtomicBool,
}

impl TestStore {
    fn log(&self) -> Vec<&'static str> {
        self.moods.log.lock().unwrap().clone()
    }

    fn set_away(&self, away: bool) {
        self.moods.away.store(away, Ordering::Relaxed);
    }

    /// Another process saved this.
    async fn put(&self, stored: &Stored) {
        self.inner.lease(&store_key()).await.unwrap().lease.save(stored).await.unwrap();
    }

    fn tell(&self, change: Change) {
        self.tell.get().unwrap()(change);
    }
}

impl Moods {
    fn note(&self, what: &'static str) {
        self.log.lock().unwrap().push(what);
    }

    fn fault(&self) -> StoreFault {
        self.fault.lock().unwrap().unwrap_or(StoreFault::Failed)
    }

    async fn work(&self) -> Result<(), StoreError> {
        pass(seconds(self.slow.load(Ordering::Relaxed))).await;
        let away = self.away.load(Ordering::Relaxed);
        if away { Err(StoreError::new(self.fault(), "the disk is full")) } else { Ok(()) }
    }
}

struct TestLease {
    inner: Box<dyn Lease>,
    moods: Arc<Moods>,
}

impl Store for TestStore {
    fn load<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Option<Stored>, StoreError>> {
        Box::pin(async move {
            self.moods.work().await?;
            let usurped = self.moods.usurped.lock().unwrap().clone();
            if usurped.is_some() { Ok(usurped) } else { self.inner.load(key).await }
        })
    }

    fn lease<'a>(&'a self, key: &'a StoreKey) -> BoxFuture<'a, Result<Leased, StoreError>> {
        self.leases.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            self.moods.work().await?;
            let Leased { kept, lease } = self.inner.lease(key).await?;
            Ok(Leased { kept, lease: Box::new(TestLease { inner: lease, moods: Arc::clone(&self.moods) }) })
        })
    }

    fn lease_within<'a>(&'a self, key: &'a StoreKey, patience: Duration) -> BoxFuture<'a, Result<Leased, StoreError>> {
        Box::pin(async move {
            if self.moods.held.load(Ordering::Relaxed) {
                pass(patience).await;
                return Err(StoreError::new(StoreFault::Held, "another process has it"));
            }
            self.lease(key).await
        })
    }

    fn retire(&self, key: &StoreKey) {
        self.moods.note("retire");
        self.inner.retire(key);
    }

    fn lasts(&self) -> bool {
        self.lasts.load(Ordering::Relaxed)
    }

    fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    fn on_change(&self, tell: Tell) {
        assert!(self.tell.set(tell).is_ok());
    }
}

impl Lease for TestLease {
    fn save<'a>(&'a mut self, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.moods.work().await?;
            if self.moods.usurped.lock().unwrap().is_some() {
                return Err(StoreError::new(StoreFault::Failed, "the lease was lost"));
            }
            self.moods.note(if stored.refresh_sent { "mark" } else { "save" });
            self.inner.save(stored).await
        })
    }

    fn is_over(&self) -> bool {
        self.moods.late.load(Ordering::Relaxed)
    }
}

/// Everything around one token.
struct World {
    clock: Arc<JumpingClock>,
    pool: TokenPool,
    store: Arc<TestStore>,
    source: Arc<FakeSource>,
    policy: Policy,
}

impl World {
    fn new(script: impl FnMut(usize, &Call) -> Reply + Send + 'static) -> Self {
        Self::shaped(|_| {}, script)
    }

    /// Each call returns the token `t<number>` with this lifetime.
    fn steady(life: Duration) -> Self {
        Self::new(move |number, call| answer(Ok(grant(number, call.at, life))))
    }

    fn shaped(shape: impl FnOnce(&mut FakeSource), script: impl FnMut(usize, &Call) -> Reply + Send + 'static) -> Self {
        let clock = Arc::new(JumpingClock { paused: PausedClock::start(), ahead: AtomicU64::new(0) });
        let shared: SharedClock = Arc::<JumpingClock>::clone(&clock);
        let store = Arc::new(TestStore::default());
        let mut source = FakeSource::new(Arc::clone(&shared), script);
        shape(&mut source);
        let pool = TokenPool::start(shared, Arc::<TestStore>::clone(&store), fastrand::Rng::with_seed(1));
        Self { clock, pool, store, source: Arc::new(source), policy: Policy::default() }
    }

    fn with(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    fn spec(&self, secret: &str) -> TokenSpec {
        let mut recipe = RecipeWriter::default();
        recipe.part("secret", secret.as_bytes());
        TokenSpec {
            key: TokenKey { recipe: recipe.finish(), subject: None },
            store_key: store_key(),
            source: Arc::<FakeSource>::clone(&self.source),
            policy: Arc::new(self.policy.clone()),
            record: Arc::new(TokenRecord::new("test")),
            prove: false,
        }
    }

    /// The spec of one of many subjects.
    fn subject(&self, name: &str) -> TokenSpec {
        let spec = self.spec("secret");
        let key = TokenKey { subject: SubjectPattern::new(".*").unwrap().subject(name), ..spec.key };
        TokenSpec { key, store_key: StoreKey::new([name]), ..spec }
    }

    fn open(&self) -> TokenHandle {
        self.pool.open(self.spec("secret"))
    }

    async fn opened(&self) -> TokenHandle {
        let handle = self.open();
        handle.usable(PATIENCE).await.unwrap();
        handle
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn current(&self, handle: &TokenHandle) -> Option<String> {
        handle.current(self.now()).map(|token| name(&token))
    }
}

fn store_key() -> StoreKey {
    StoreKey::new(["test"])
}

fn name(token: &Token) -> String {
    token.access.expose().to_owned()
}

fn generation(number: u64) -> Generation {
    Generation(number)
}
