//! The Redis store with a real Redis: what a fleet relies on. `tests/redis` tests how bearerd uses it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, unreachable_pub)]

#[path = "support/eventually.rs"]
mod eventually;
#[allow(dead_code, reason = "only a part of the shared support is used")]
#[path = "support/redis.rs"]
mod redis;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bearerd::clock::{Clock, SharedClock, SystemClock};
use bearerd::secret::Secret;
use bearerd::token::grant::{Grant, Life};
use bearerd::token::key::StoreKey;
use bearerd::token::store::format::RecordFormat;
use bearerd::token::store::redis::RedisStore;
use bearerd::token::store::{Change, Leased, Store, StoreError, Stored};
use eventually::eventually;
use redis::Redis;
use tokio::time::timeout;

const HOUR: Duration = Duration::from_secs(3600);
/// A lease expires after this time without renewal.
const LEASE: Duration = Duration::from_secs(4);

fn open(url: &str) -> Result<RedisStore, StoreError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let clock: SharedClock = Arc::new(SystemClock);
    let format = RecordFormat::new(clock.clone(), None).unwrap();
    RedisStore::start(clock, &Secret::new(url), tls.into(), "test:".to_owned(), format)
}

/// The store of one process.
fn member(redis: &Redis) -> RedisStore {
    open(&redis.url()).unwrap()
}

fn key() -> StoreKey {
    StoreKey::new(["simacan", "someone"])
}

fn kept_at() -> String {
    format!("test:{{{}}}", key().stem())
}

fn stored(number: u64) -> Stored {
    let now = SystemClock.now();
    let grant = Grant {
        access: Secret::new(format!("t{number}")),
        refresh: Some(Secret::new(format!("r{number}"))),
        captures: BTreeMap::new(),
        issued: now,
        life: Life::Until(now + HOUR),
        refresh_in: None,
    };
    Stored { number, grant, refresh_sent: false, forced: false }
}

async fn lease(store: &RedisStore) -> Leased {
    store.lease(&key()).await.unwrap()
}

async fn save(store: &RedisStore, stored: &Stored) -> Result<(), StoreError> {
    lease(store).await.lease.save(stored).await
}

async fn number(store: &RedisStore) -> Option<u64> {
    store.load(&key()).await.unwrap().map(|stored| stored.number)
}

/// The change notifications of a store from now on.
fn told(store: &RedisStore) -> Arc<Mutex<Vec<Change>>> {
    let told = Arc::<Mutex<Vec<Change>>>::default();
    let all = told.clone();
    store.on_change(Box::new(move |change| all.lock().unwrap().push(change)));
    told
}

#[tokio::test]
async fn a_grant_saved_by_one_process_is_found_by_and_announced_to_all_others() {
    if !Redis::is_here("a shared store") {
        return;
    }
    let redis = Redis::start().await;
    let (one, other) = (member(&redis), member(&redis));
    let news = told(&other);
    eventually("the other has joined", || async { *news.lock().unwrap() == [Change::Any] }).await;
    assert_eq!(other.load(&key()).await.unwrap(), None);
    let mark = Stored { refresh_sent: true, ..stored(1) };
    for stored in [&stored(1), &mark, &stored(2)] {
        save(&one, stored).await.unwrap();
        let found = other.load(&key()).await.unwrap().unwrap();
        assert_eq!(
            (found.number, found.refresh_sent, &found.grant.access),
            (stored.number, stored.refresh_sent, &stored.grant.access)
        );
        assert_eq!(lease(&other).await.kept.map(|kept| kept.number), Some(stored.number));
    }
    let changes = [Change::Any, Change::Of(key()), Change::Of(key())];
    eventually("two changes are told, the mark is none", || async { *news.lock().unwrap() == changes }).await;
    other.retire(&key());
    save(&one, &stored(3)).await.unwrap();
    // Over one connection, the reply arrives after the message.
    one.load(&key()).await.unwrap();
    assert_eq!(number(&other).await, Some(3));
    assert_eq!(*news.lock().unwrap(), changes, "nobody here reads it any more");
    assert!(one.lasts() && one.is_shared());
}

#[tokio::test]
async fn a_lease_belongs_to_one_process_until_it_is_released() {
    if !Redis::is_here("a lease") {
        return;
    }
    let redis = Redis::start().await;
    let (one, other) = (member(&redis), member(&redis));
    let mut ours = lease(&one).await;
    let held = timeout(LEASE + Duration::from_secs(2), other.lease(&key())).await;
    assert!(held.is_err(), "who works renews its lease");
    assert!(!ours.lease.is_over());
    ours.lease.save(&stored(1)).await.unwrap();
    drop(ours);
    let next = timeout(LEASE / 2, lease(&other)).await.unwrap();
    assert_eq!(next.kept.map(|kept| kept.number), Some(1));
}

#[tokio::test]
async fn a_process_without_its_lease_cannot_save() {
    if !Redis::is_here("a lost lease") {
        return;
    }
    let redis = Redis::start().await;
    let (one, other) = (member(&redis), member(&redis));
    save(&one, &stored(7)).await.unwrap();
    let mut lost = lease(&one).await;
    redis.ask(&["DEL", &format!("{}:lease", kept_at())]);
    let mut theirs = lease(&other).await;
    assert!(lost.lease.save(&stored(8)).await.unwrap_err().message.contains("lease was lost"));
    drop(lost);
    theirs.lease.save(&stored(8)).await.unwrap();
    assert!(theirs.lease.save(&stored(6)).await.is_err(), "no step back");
    assert_eq!(number(&one).await, Some(8), "and the lease of the second was not given back by the first");
}

#[tokio::test]
async fn the_lease_of_a_dead_process_ends_soon() {
    if !Redis::is_here("a dead process") {
        return;
    }
    let redis = Redis::start().await;
    let url = redis.url();
    let dead = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (store, leased) = runtime.block_on(async {
            let store = open(&url).unwrap();
            let leased = store.lease(&key()).await.unwrap();
            (store, leased)
        });
        // Nothing runs any longer that could release it.
        drop(runtime);
        drop((leased, store));
    });
    dead.join().unwrap();
    let survivor = member(&redis);
    timeout(LEASE + Duration::from_secs(2), lease(&survivor)).await.unwrap();
}

#[tokio::test]
async fn a_stored_grant_outlives_its_token() {
    if !Redis::is_here("what is kept") {
        return;
    }
    let redis = Redis::start().await;
    let store = member(&redis);
    let with = |refresh: bool, life| {
        let mut stored = stored(1);
        stored.grant.refresh = stored.grant.refresh.filter(|_| refresh);
        stored.grant.life = life;
        stored
    };
    let soon = Life::Until(SystemClock.now() + HOUR);
    for (stored, hours) in
        [(with(true, soon), 24 * 365), (with(false, soon), 25), (with(false, Life::UntilRejected), 24 * 30)]
    {
        save(&store, &stored).await.unwrap();
        let left: u64 = redis.ask(&["PTTL", &kept_at()]).trim().parse().unwrap();
        assert_eq!(left.div_ceil(3_600_000), hours);
    }
}

#[tokio::test]
async fn a_redis_that_is_away_is_said_so_and_found_again() {
    if !Redis::is_here("a Redis that goes") {
        return;
    }
    let mut redis = Redis::start().await;
    let store = member(&redis);
    let news = told(&store);
    let leased = lease(&store).await;
    redis.kill();
    eventually("it is away", || async {
        store.load(&key()).await.is_err_and(|error| error.message.starts_with("Redis is unreachable: "))
    })
    .await;
    eventually("its lease is over", || async { leased.lease.is_over() }).await;
    redis.again().await;
    eventually("it is back", || async { store.load(&key()).await.is_ok() }).await;
    let joined = news.lock().unwrap().iter().filter(|change| **change == Change::Any).count();
    assert_eq!(joined, 2, "whatever was missed is looked for");
}

#[tokio::test]
async fn over_tcp_a_password_works_and_a_wrong_one_is_not_shown() {
    if !Redis::is_here("a Redis with a password") {
        return;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let _redis = Redis::start_with(&["--port", &port.to_string(), "--requirepass", "p@ss"]).await;
    save(&open(&format!("redis://:p%40ss@127.0.0.1:{port}")).unwrap(), &stored(1)).await.unwrap();
    let refused = open(&format!("redis://:wrong-one@127.0.0.1:{port}")).unwrap();
    let error = refused.load(&key()).await.unwrap_err().message;
    assert!(error.starts_with("Redis is unreachable: WRONGPASS") && !error.contains("wrong-one"), "{error}");
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused_without_its_password() {
    for url in ["http://:secret@localhost", "redis://:secret@", "redis+cluster://:secret@a"] {
        let error = open(url).err().unwrap();
        assert!(error.message.starts_with("the Redis URL ") && !error.message.contains("secret"), "{error}");
    }
}
