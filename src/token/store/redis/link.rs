//! One connection to Redis, kept up by a task of its own: who calls uses it, or hears in time that it is away.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, Msg, PushInfo, RedisError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::address::RedisAddress;
use crate::panics;
use crate::token::store::{StoreError, StoreFault};

/// A call may take this long, and each attempt to connect.
const PATIENCE: Duration = Duration::from_secs(1);
/// An idle connection is tried this often: a dead one must not look like one without news.
const PULSE: Duration = Duration::from_secs(5);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);

/// What comes over the connection unasked.
pub(super) enum LinkEvent {
    /// A message on the channel.
    Message(String),
    /// The connection is new: messages may have been missed.
    Joined,
}

/// Who hears it.
pub(super) type Hear = Arc<dyn Fn(LinkEvent) + Send + Sync>;

#[derive(Clone)]
enum ConnectionState {
    Joining,
    Joined(MultiplexedConnection),
    Away(String),
}

/// The connection. Ends when dropped.
pub(super) struct RedisConnection {
    state: watch::Receiver<ConnectionState>,
    /// Somebody waited in vain for an answer.
    silent: Arc<Notify>,
    _keeper: JoinSet<()>,
}

impl RedisConnection {
    /// Connects on the current runtime, and again whenever the connection is lost.
    pub(super) fn start(address: RedisAddress, channel: String, hear: Hear) -> Self {
        let (sender, state) = watch::channel(ConnectionState::Joining);
        let silent = Arc::<Notify>::default();
        let mut keeper = JoinSet::new();
        let keep = Keep { address, channel, hear, state: sender, silent: Arc::clone(&silent) };
        keeper.spawn(async move {
            // Without it Redis would be away for ever.
            while panics::caught(keep.up()).await.is_err() {
                sleep(PAUSE).await;
            }
        });
        Self { state, silent, _keeper: keeper }
    }

    /// One command and its answer.
    pub(super) async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        command.query_async(&mut connection).await.map_err(|error| {
            if error.is_timeout() {
                self.silent.notify_one();
            }
            let gone = error.is_timeout() || error.is_connection_dropped() || error.is_io_error();
            let fault = if gone { StoreFault::Away } else { StoreFault::Failed };
            StoreError::new(fault, format!("Redis: {}", reason(&error)))
        })
    }

    async fn connection(&self) -> Result<MultiplexedConnection, StoreError> {
        let mut state = self.state.clone();
        let settled = timeout(PATIENCE, state.wait_for(|state| !matches!(state, ConnectionState::Joining))).await;
        let away = |why: &str| Err(StoreError::new(StoreFault::Away, format!("Redis is away: {why}")));
        match settled.ok().and_then(Result::ok).as_deref() {
            Some(ConnectionState::Joined(connection)) => Ok(connection.clone()),
            Some(ConnectionState::Away(why)) => away(why),
            Some(ConnectionState::Joining) | None => away("no connection in time"),
        }
    }
}

/// What the task works with.
struct Keep {
    address: RedisAddress,
    channel: String,
    hear: Hear,
    state: watch::Sender<ConnectionState>,
    silent: Arc<Notify>,
}

/// A connection and what moves its bytes.
struct Joined {
    connection: MultiplexedConnection,
    driver: JoinSet<()>,
}

impl Keep {
    async fn up(&self) {
        let keep = self;
        let mut told = false;
        loop {
            let joined = timeout(PATIENCE, join(keep)).await;
            match joined.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                Ok(joined) => {
                    if std::mem::take(&mut told) {
                        tracing::info!("Redis is back: tokens are shared again");
                    }
                    keep.state.send_replace(ConnectionState::Joined(joined.connection.clone()));
                    (keep.hear)(LinkEvent::Joined);
                    watch_over(joined, &keep.silent).await;
                    keep.state.send_replace(ConnectionState::Joining);
                }
                Err(why) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!("Redis is away, each process keeps to its own tokens until it is back: {why}");
                    }
                    keep.state.send_replace(ConnectionState::Away(why));
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn join(keep: &Keep) -> Result<Joined, String> {
    let hear = Arc::clone(&keep.hear);
    let push = move |push: PushInfo| -> Result<(), SendError> {
        if let Some(text) = Msg::from_push_info(push).and_then(|message| message.get_payload().ok()) {
            hear(LinkEvent::Message(text));
        }
        Ok(())
    };
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE)).set_push_sender(push);
    let stream = keep.address.connect().await.map_err(|error| error.to_string())?;
    let made = MultiplexedConnection::new_with_config(keep.address.settings(), stream, config).await;
    let (mut connection, bytes) = made.map_err(|error| reason(&error))?;
    let mut driver = JoinSet::new();
    driver.spawn(bytes);
    connection.subscribe(&keep.channel).await.map_err(|error| reason(&error))?;
    Ok(Joined { connection, driver })
}

/// Returns when the connection is of no use any more.
async fn watch_over(joined: Joined, silent: &Notify) {
    let Joined { mut connection, mut driver } = joined;
    loop {
        tokio::select! {
            _ = driver.join_next() => return,
            () = silent.notified() => return,
            () = sleep(PULSE) => {
                if redis::cmd("PING").query_async::<()>(&mut connection).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What went wrong, in the server's own words where it has some. Redis never repeats a password.
fn reason(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}
