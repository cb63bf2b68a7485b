//! One connection to Redis, maintained by a task. A call uses it, or fails in time if it is down.

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

/// The timeout of a call, and of an attempt to connect.
const PATIENCE: Duration = Duration::from_secs(1);
/// The interval for checking an idle connection, to tell a dead one from a silent one.
const PULSE: Duration = Duration::from_secs(5);
/// The pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);

/// What arrives over the connection without a request.
pub(super) enum ConnectionEvent {
    /// A message on the channel.
    Message(String),
    /// The connection is new, so messages may have been missed.
    Connected,
}

/// Called with each event.
pub(super) type OnEvent = Arc<dyn Fn(ConnectionEvent) + Send + Sync>;

#[derive(Clone)]
enum ConnectionState {
    Connecting,
    Connected(MultiplexedConnection),
    Away(String),
}

/// The connection; dropping it closes it.
pub(super) struct RedisConnection {
    state: watch::Receiver<ConnectionState>,
    /// A call timed out.
    silent: Arc<Notify>,
    _keeper: JoinSet<()>,
}

impl RedisConnection {
    /// Connects on the current runtime, and reconnects whenever the connection is lost.
    pub(super) fn start(address: RedisAddress, channel: String, on_event: OnEvent) -> Self {
        let (sender, state) = watch::channel(ConnectionState::Connecting);
        let silent = Arc::<Notify>::default();
        let mut keeper = JoinSet::new();
        let reconnector = Reconnector { address, channel, on_event, state: sender, silent: Arc::clone(&silent) };
        keeper.spawn(async move {
            // Otherwise a panic would end the connection for good.
            while panics::caught(reconnector.run()).await.is_err() {
                sleep(PAUSE).await;
            }
        });
        Self { state, silent, _keeper: keeper }
    }

    /// Sends a command and returns its reply.
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
        let settled = timeout(PATIENCE, state.wait_for(|state| !matches!(state, ConnectionState::Connecting))).await;
        let away = |why: &str| Err(StoreError::new(StoreFault::Away, format!("Redis is unreachable: {why}")));
        match settled.ok().and_then(Result::ok).as_deref() {
            Some(ConnectionState::Connected(connection)) => Ok(connection.clone()),
            Some(ConnectionState::Away(why)) => away(why),
            Some(ConnectionState::Connecting) | None => away("timed out connecting"),
        }
    }
}

/// Connects, and again whenever the connection is lost.
struct Reconnector {
    address: RedisAddress,
    channel: String,
    on_event: OnEvent,
    state: watch::Sender<ConnectionState>,
    silent: Arc<Notify>,
}

/// A connection and the future that drives it.
struct DrivenConnection {
    connection: MultiplexedConnection,
    driver: JoinSet<()>,
}

impl Reconnector {
    async fn run(&self) {
        let reconnector = self;
        let mut reported = false;
        loop {
            panics::point("redis", &self.channel);
            let connected = timeout(PATIENCE, connect(reconnector)).await;
            match connected.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                Ok(connected) => {
                    if std::mem::take(&mut reported) {
                        tracing::info!("Redis is back: tokens are shared again");
                    }
                    reconnector.state.send_replace(ConnectionState::Connected(connected.connection.clone()));
                    (reconnector.on_event)(ConnectionEvent::Connected);
                    until_lost(connected, &reconnector.silent).await;
                    reconnector.state.send_replace(ConnectionState::Connecting);
                }
                Err(why) => {
                    if !std::mem::replace(&mut reported, true) {
                        tracing::warn!(
                            "Redis is unreachable, and each process uses its own tokens until it is back: {why}"
                        );
                    }
                    reconnector.state.send_replace(ConnectionState::Away(why));
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn connect(reconnector: &Reconnector) -> Result<DrivenConnection, String> {
    let on_event = Arc::clone(&reconnector.on_event);
    let push = move |push: PushInfo| -> Result<(), SendError> {
        if let Some(text) = Msg::from_push_info(push).and_then(|message| message.get_payload().ok()) {
            on_event(ConnectionEvent::Message(text));
        }
        Ok(())
    };
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE)).set_push_sender(push);
    let stream = reconnector.address.connect().await.map_err(|error| error.to_string())?;
    let made = MultiplexedConnection::new_with_config(reconnector.address.settings(), stream, config).await;
    let (mut connection, bytes) = made.map_err(|error| reason(&error))?;
    let mut driver = JoinSet::new();
    driver.spawn(bytes);
    connection.subscribe(&reconnector.channel).await.map_err(|error| reason(&error))?;
    Ok(DrivenConnection { connection, driver })
}

/// Returns when the connection is no longer usable.
async fn until_lost(connected: DrivenConnection, silent: &Notify) {
    let DrivenConnection { mut connection, mut driver } = connected;
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

/// The reason, in the server's words if it has any. Redis never repeats a password.
fn reason(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panics::fault;
    use crate::secret::Secret;
    use crate::tls::{TlsSettings, client_config};

    #[tokio::test]
    async fn a_panic_of_its_task_does_not_keep_redis_away_for_ever() {
        panics::watch();
        let before = panics::count();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let tls = client_config(&TlsSettings::default()).unwrap();
        let address = RedisAddress::read(&Secret::new(format!("redis://{nobody}")), tls).unwrap();
        fault::arm("redis", "a panic's channel");
        let redis = RedisConnection::start(address, "a panic's channel".to_owned(), Arc::new(|_| {}));
        let said = redis.call::<String>(&redis::cmd("PING")).await.unwrap_err();
        assert!(said.message.contains("Connection refused"), "it has tried again: {}", said.message);
        assert!(panics::count() > before);
    }
}
