//! The lease of one name: taken, renewed while its holder works, released.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Cmd;
use tokio::task::JoinSet;

use super::connection::RedisConnection;
use crate::clock::{Moment, SharedClock};
use crate::token::grant::Life;
use crate::token::key::StoreKey;
use crate::token::source::BoxFuture;
use crate::token::store::format::RecordFormat;
use crate::token::store::{Lease, StoreError, StoreFault, Stored};

/// How long a lease lasts without renewal. Others wait this long for a dead holder.
const LEASE: Duration = Duration::from_secs(4);
/// The interval of renewals.
const BEAT: Duration = Duration::from_secs(1);

const HOUR: Duration = Duration::from_secs(3600);
/// How long a grant is kept after its token has expired, because a replica may be offline and numbers should continue.
const MARGIN: Duration = HOUR.saturating_mul(24);
/// How long a token with an unknown lifetime is kept.
const LONG: Duration = HOUR.saturating_mul(24 * 30);
/// How long a refresh token is kept. Some accounts need a person to log in without it.
const LONGEST: Duration = HOUR.saturating_mul(24 * 365);

/// Takes the lease if it is free, and returns the stored grant.
const TAKE: &str = "\
local free = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return { free and 1 or 0, redis.call('HGET', KEYS[2], 'content') }";

/// Extends the lease.
const HOLD: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// Releases the lease.
const FREE: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// Stores a grant if the lease is still ours and no later grant is stored. Notifies the others, unless the change is
/// only a mark.
const SAVE: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if tonumber(redis.call('HGET', KEYS[2], 'number') or 0) > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[2], 'number', ARGV[2], 'content', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
return 1";

/// The keys of one name. The braces keep them on one node of a cluster.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) kept: String,
    lease: String,
    channel: String,
    stem: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, stem: String) -> Self {
        let kept = format!("{prefix}{{{stem}}}");
        Self { lease: format!("{kept}:lease"), kept, channel: format!("{prefix}saved"), stem }
    }
}

/// When the last request started that Redis answered with "the lease is yours".
struct Term {
    clock: SharedClock,
    asked: Mutex<Moment>,
}

impl Term {
    /// Asks Redis. A lease that it grants or extends counts from before the request.
    async fn ask(&self, connection: &RedisConnection, question: &Cmd) -> Result<bool, StoreError> {
        let asked = self.clock.now();
        let ours = connection.call::<bool>(question).await?;
        if ours {
            *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        }
        Ok(ours)
    }

    fn is_over(&self) -> bool {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        self.clock.now().since(asked) >= LEASE
    }
}

/// A lease that this process holds, as far as it knows.
pub(super) struct RedisLease {
    connection: Arc<RedisConnection>,
    keys: Keys,
    name: StoreKey,
    format: Arc<RecordFormat>,
    /// A random value that identifies this holder.
    holder: String,
    term: Arc<Term>,
    _beat: JoinSet<()>,
}

impl RedisLease {
    /// Takes the lease and returns it with the stored content; `None` if another process holds it.
    pub(super) async fn try_take(
        connection: &Arc<RedisConnection>,
        keys: Keys,
        name: StoreKey,
        format: Arc<RecordFormat>,
        clock: SharedClock,
    ) -> Result<Option<(Self, Option<Vec<u8>>)>, StoreError> {
        let holder = format!("{:032x}", fastrand::u128(..));
        let term = Arc::new(Term { asked: Mutex::new(clock.now()), clock });
        let mut take = script(TAKE, &[&keys.lease, &keys.kept], &holder);
        let (free, content) = connection.call::<(bool, Option<Vec<u8>>)>(take.arg(milliseconds(LEASE))).await?;
        if !free {
            return Ok(None);
        }
        let mut beat = JoinSet::new();
        beat.spawn(hold(Arc::clone(connection), Arc::clone(&term), keys.lease.clone(), holder.clone()));
        Ok(Some((Self { connection: Arc::clone(connection), keys, name, format, holder, term, _beat: beat }, content)))
    }

    async fn keep(&self, stored: &Stored) -> Result<(), StoreError> {
        let content = self.format.write(&self.name, stored)?;
        let channel = if stored.refresh_sent { "" } else { &*self.keys.channel };
        let mut save = script(SAVE, &[&self.keys.lease, &self.keys.kept], &self.holder);
        save.arg(stored.number).arg(content.as_slice()).arg(milliseconds(lifetime(stored)));
        let saved = self.connection.call::<bool>(save.arg(channel).arg(&self.keys.stem)).await?;
        if saved { Ok(()) } else { Err(StoreError::new(StoreFault::Failed, "the lease was lost: it took too long")) }
    }
}

impl Lease for RedisLease {
    fn save<'a>(&'a mut self, stored: &'a Stored) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.keep(stored))
    }

    fn is_over(&self) -> bool {
        self.term.is_over()
    }
}

impl Drop for RedisLease {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and the lease expires soon.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let connection = Arc::clone(&self.connection);
        let free = script(FREE, &[&self.keys.lease], &self.holder);
        runtime.spawn(async move { connection.call::<bool>(&free).await });
    }
}

/// Renews the lease until it is lost. A missing reply does not mean that it is.
async fn hold(connection: Arc<RedisConnection>, term: Arc<Term>, lease: String, holder: String) {
    let mut hold = script(HOLD, &[&lease], &holder);
    hold.arg(milliseconds(LEASE));
    loop {
        tokio::time::sleep(BEAT).await;
        if let Ok(false) = term.ask(&connection, &hold).await {
            return;
        }
    }
}

fn script(text: &str, keys: &[&str], holder: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(keys.len()).arg(keys).arg(holder);
    command
}

/// How long to keep a grant.
fn lifetime(stored: &Stored) -> Duration {
    match (&stored.grant.refresh, stored.grant.life) {
        (Some(_), _) => LONGEST,
        (None, Life::UntilRejected) => LONG,
        (None, Life::Until(_)) => stored.grant.length().unwrap_or_default().saturating_add(MARGIN),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
