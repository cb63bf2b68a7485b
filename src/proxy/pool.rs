//! Connections to one base, kept for the next request: the last one put back is the first one taken, so that in quiet
//! times few stay in use and the others age.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, header};
use hyper::client::conn::http1::SendRequest;

use super::Upstream;
use super::body::{Outgoing, Upload};
use super::client::Dial;
use super::error::Fault;
use super::settings::Base;
use crate::clock::{Moment, SharedClock};

/// A server that closes an idle connection after five seconds may do so while a request is on its way.
const CLOSING_MARGIN: Duration = Duration::from_secs(1);

/// A connection that is not in use elsewhere.
pub(crate) struct Connection {
    /// Takes the request.
    pub(crate) sender: SendRequest<Outgoing>,
    born: Moment,
    idle: Duration,
}

struct Idle {
    connection: Connection,
    since: Moment,
}

impl Idle {
    fn is_stale(&self, now: Moment, life: Duration) -> bool {
        let Connection { sender, born, idle } = &self.connection;
        sender.is_closed() || now.since(self.since) >= *idle || now.since(*born) >= life
    }
}

/// Connections to one base.
pub(crate) struct Pool {
    /// Where they go.
    pub(crate) base: Base,
    dial: Dial,
    idle: RefCell<Vec<Idle>>,
    idle_limit: Duration,
    life: Duration,
    clock: SharedClock,
}

impl Pool {
    /// No connection yet. The text of an error is for people.
    pub(crate) fn new(base: Base, upstream: &Upstream, clock: SharedClock) -> Result<Self, String> {
        let dial = Dial::new(&base, &upstream.settings, &upstream.tls)?;
        let timeouts = &upstream.settings.timeouts;
        let (idle_limit, life) = (timeouts.idle, timeouts.connection_life);
        Ok(Self { base, dial, idle: RefCell::default(), idle_limit, life, clock })
    }

    /// A connection that was used before, if one is fit to be used again.
    pub(crate) fn take(&self, now: Moment) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.pop() {
            if !last.is_stale(now, self.life) && last.connection.sender.is_ready() {
                return Some(last.connection);
            }
        }
        None
    }

    /// A fresh connection.
    pub(crate) async fn open(&self) -> Result<Connection, Fault> {
        let sender = self.dial.connect().await?;
        Ok(Connection { sender, born: self.clock.now(), idle: self.idle_limit })
    }

    fn put(&self, connection: Connection) {
        let idle = Idle { connection, since: self.clock.now() };
        if !idle.is_stale(idle.since, self.life) {
            self.idle.borrow_mut().push(idle);
        }
    }

    /// Closes what is too old.
    pub(crate) fn sweep(&self, now: Moment) {
        self.idle.borrow_mut().retain(|idle| !idle.is_stale(now, self.life));
    }
}

/// A connection whose answer is being read: it goes back when the answer ends, and is closed when it is dropped before.
pub(crate) struct Lease {
    connection: Connection,
    pool: Rc<Pool>,
    upload: Upload,
}

impl Lease {
    /// The connection that answered with these headers.
    pub(crate) fn new(mut connection: Connection, pool: Rc<Pool>, upload: Upload, headers: &HeaderMap) -> Self {
        if let Some(said) = keep_alive(headers) {
            connection.idle = connection.idle.min(said.saturating_sub(CLOSING_MARGIN));
        }
        Self { connection, pool, upload }
    }

    /// The answer has been read. A connection that still sends the request's body is no use to the next one.
    pub(crate) fn release(self) {
        if self.upload.has_ended() {
            self.pool.put(self.connection);
        }
    }
}

/// The `timeout` of a `Keep-Alive` header.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let line = headers.get(&KEEP_ALIVE)?.to_str().ok()?;
    let value = line.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    value.parse().ok().map(Duration::from_secs)
}

static KEEP_ALIVE: header::HeaderName = header::HeaderName::from_static("keep-alive");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_idle_time_is_read() {
        for (line, expected) in
            [("timeout=5, max=100", Some(5)), ("max=1, timeout=7", Some(7)), ("timeout=x", None), ("5", None)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(&KEEP_ALIVE, line.parse().unwrap());
            assert_eq!(keep_alive(&headers), expected.map(Duration::from_secs), "{line}");
        }
    }
}
