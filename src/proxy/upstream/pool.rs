//! A pool of connections to one base URL. An HTTP/1.1 connection serves one request at a time and is reused last in, first out,
//! so that surplus connections age and close. An HTTP/2 connection is shared by all requests.

mod connecting;
mod opening;
mod shared;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, header, response};

use self::connecting::Connecting;
use self::shared::{SharedConnection, StreamHandle};
use super::connect::Connector;
use super::http1::{Http1, receiving};
use super::response_body::ResponseBody;
use super::send_error::SendError;
use crate::clock::{Moment, SharedClock};
use crate::proxy::Upstream;
use crate::proxy::limits::limiter::{IdleConnections, Limiter};
use crate::proxy::message::attempt::UpstreamRequest;
use crate::proxy::message::body::Upload;
use crate::proxy::message::interim::InterimResponses;
use crate::proxy::message::version::for_http2;
use crate::proxy::settings::Base;

/// Servers commonly close idle connections after a few seconds. The pool stops reusing one this much earlier, so that no request
/// meets a closing connection.
const CLOSING_MARGIN: Duration = Duration::from_secs(1);

/// How long to keep to HTTP/1.1 after a server has required it.
const HTTP1_FOR: Duration = Duration::from_secs(15 * 60);

/// A connection that can take a request.
pub(crate) enum Connection {
    /// HTTP/1.1, for one request at a time.
    Http1(Http1Connection),
    /// A stream of a shared HTTP/2 connection.
    Http2(StreamHandle),
}

pub(crate) struct Http1Connection {
    http1: Rc<RefCell<Http1>>,
    created: Moment,
    idle: Duration,
}

struct Idle {
    connection: Http1Connection,
    since: Moment,
}

impl Idle {
    fn is_stale(&self, now: Moment, life: Duration) -> bool {
        let idle = self.connection.idle;
        self.connection.is_expired(now, life)
            || now.since(self.since) >= idle
            || self.connection.http1.borrow_mut().is_closed()
    }
}

impl Http1Connection {
    fn is_expired(&self, now: Moment, life: Duration) -> bool {
        self.idle.is_zero() || now.since(self.created) >= life
    }
}

impl Connection {
    /// Sends a request and returns once the response head has arrived. Interim responses go to `interim`.
    pub(crate) async fn send(
        &mut self,
        mut request: UpstreamRequest<'_>,
        pool: &Pool,
        interim: &InterimResponses<'_>,
    ) -> Result<(response::Parts, ResponseBody), SendError> {
        let http2 = matches!(self, Self::Http2(_));
        interim.receiver.signal.iter().for_each(|signal| signal.expect(&pool.ignores_expect, http2));
        let response = match self {
            Self::Http1(connection) => {
                pool.connector.prepare_for_proxy(&mut request, &pool.base);
                receiving::send(&connection.http1, request, &pool.cached_headers, interim)
                    .await
                    .map(|(head, body)| (head, ResponseBody::Http1(body)))
            }
            Self::Http2(stream) => {
                let mut request = request.into_request();
                for_http2(&mut request, &pool.base);
                stream.http2.send(request, interim).await.map(|(head, body)| (head, ResponseBody::Http2(body)))
            }
        }?;
        interim.receiver.signal.iter().for_each(|signal| signal.learn(&pool.ignores_expect));
        Ok(response)
    }

    /// Lowers the idle timeout to what the server announces in `Keep-Alive`.
    pub(crate) fn apply_keep_alive(&mut self, headers: &HeaderMap) {
        if let (Self::Http1(connection), Some(timeout)) = (self, keep_alive(headers)) {
            connection.idle = connection.idle.min(timeout.saturating_sub(CLOSING_MARGIN));
        }
    }

    /// Stops a shared connection from taking new requests, after a request on it has timed out.
    pub(crate) fn retire(&self) {
        if let Self::Http2(stream) = self {
            stream.retire();
        }
    }
}

pub(crate) struct Pool {
    /// The base URL.
    pub(crate) base: Base,
    connector: Connector,
    connecting: Connecting,
    http1_since: Cell<Option<Moment>>,
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Rc<SharedConnection>>>,
    /// An empty map with capacity for response headers, reused to save an allocation.
    pub(crate) cached_headers: Cell<HeaderMap>,
    /// Whether the server is known not to send `100 Continue`.
    ignores_expect: Cell<bool>,
    idle_limit: Duration,
    life: Duration,
    clock: SharedClock,
}

impl Pool {
    /// Creates an empty pool. The error is text for the user.
    pub(crate) fn new(
        base: Base,
        upstream: &Upstream,
        limiter: Rc<Limiter>,
        clock: SharedClock,
    ) -> Result<Self, String> {
        let connector = Connector::new(&base, &upstream.settings, &upstream.tls, limiter)?;
        let timeouts = &upstream.settings.timeouts;
        let (idle_limit, life) = (timeouts.idle, timeouts.connection_life);
        let (connecting, http1_since, idle, shared, cached_headers, ignores_expect) = Default::default();
        Ok(Self {
            base,
            connector,
            connecting,
            http1_since,
            idle,
            shared,
            cached_headers,
            ignores_expect,
            idle_limit,
            life,
            clock,
        })
    }

    /// Takes an open connection that can be reused.
    pub(crate) fn take(&self, now: Moment) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.pop() {
            if !last.is_stale(now, self.life) && last.connection.http1.borrow().is_free() {
                return Some(Connection::Http1(last.connection));
            }
        }
        if self.requires_http1(now) {
            return None;
        }
        let shared = self.shared.borrow();
        let fit =
            |shared: &&Rc<SharedConnection>| !shared.is_stale(now, self.idle_limit, self.life) && shared.has_room();
        shared.iter().find(fit).map(|shared| Connection::Http2(shared.stream()))
    }

    /// Keeps to HTTP/1.1 for a while, because the server has asked for it.
    pub(crate) fn require_http1(&self) {
        let now = self.clock.now();
        if !self.requires_http1(now) {
            tracing::info!(upstream = ?self.base.authority, "the upstream requires HTTP/1.1");
        }
        self.http1_since.set(Some(now));
        self.shared.borrow_mut().clear();
    }

    /// Allows HTTP/2 again, after a request over HTTP/1.1 got no response: the server may not support that either.
    pub(crate) fn allow_http2_again(&self) {
        self.http1_since.set(None);
    }

    fn requires_http1(&self, now: Moment) -> bool {
        self.http1_since.get().is_some_and(|since| now.since(since) < HTTP1_FOR)
    }

    fn http1_connection(&self, http1: Rc<RefCell<Http1>>) -> Http1Connection {
        Http1Connection { http1, created: self.clock.now(), idle: self.idle_limit }
    }

    fn put_back(&self, connection: Http1Connection) {
        let since = self.clock.now();
        if !connection.is_expired(since, self.life) {
            connection.http1.borrow_mut().shrink_buffer();
            self.idle.borrow_mut().push(Idle { connection, since });
        }
    }

    /// Closes connections that are too old or were idle for too long.
    pub(crate) fn sweep(&self, now: Moment) {
        self.idle.borrow_mut().retain(|idle| !idle.is_stale(now, self.life));
        self.shared.borrow_mut().retain(|shared| !shared.is_stale(now, self.idle_limit, self.life));
    }
}

impl IdleConnections for Pool {
    fn idle_since(&self) -> Option<Moment> {
        let own = self.idle.borrow().first().map(|idle| idle.since);
        let shared = self.shared.borrow().iter().filter_map(|shared| shared.idle_since()).min();
        own.into_iter().chain(shared).min()
    }

    fn close_idle(&self) {
        let oldest = self.idle_since();
        let mut idle = self.idle.borrow_mut();
        if idle.first().map(|idle| idle.since) == oldest {
            drop(idle.remove(0));
        } else {
            self.shared.borrow_mut().retain(|shared| shared.idle_since() != oldest);
        }
    }
}

/// A connection whose response is being read. [`CheckedOut::release`] returns it to the pool; dropping it cancels the request.
pub(crate) struct CheckedOut {
    connection: Connection,
    pool: Rc<Pool>,
    upload: Upload,
}

impl CheckedOut {
    pub(crate) fn new(connection: Connection, pool: Rc<Pool>, upload: Upload) -> Self {
        Self { connection, pool, upload }
    }

    /// Returns the connection to the pool, unless it is still sending the request body.
    pub(crate) fn release(self) {
        if let Connection::Http1(connection) = self.connection
            && self.upload.has_ended()
            && connection.http1.borrow().is_free()
        {
            self.pool.put_back(connection);
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
    fn keep_alive_timeout_is_parsed() {
        for (line, expected) in
            [("timeout=5, max=100", Some(5)), ("max=1, timeout=7", Some(7)), ("timeout=x", None), ("5", None)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(&KEEP_ALIVE, line.parse().unwrap());
            assert_eq!(keep_alive(&headers), expected.map(Duration::from_secs), "{line}");
        }
    }
}
