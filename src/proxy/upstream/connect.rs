//! Connects to an upstream: resolves the name, connects with happy eyeballs (directly or through an outbound proxy), and sets up
//! TLS and HTTP/1.1 or HTTP/2.

mod resolver;

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Intercept;
use rustix::io::Errno;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::ServiceExt;

use self::resolver::{NoAddress, Resolver};
use super::http1::Http1;
use super::http2::Http2;
use super::transport::Transport;
use crate::proxy::error::Fault;
use crate::proxy::limits::limiter::Limiter;
use crate::proxy::message::attempt::UpstreamRequest;
use crate::proxy::message::version::absolute;
use crate::proxy::settings::{Base, Protocol, UpstreamSettings};
use crate::proxy::socket::Socket;
use crate::record::Limit;

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// TCP keep-alive detects a vanished peer within 90 seconds. HTTP/2 pings would not do: gRPC servers close connections that ping
/// more often than every five minutes.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(10), 3);

/// Connects to one base URL.
pub(crate) struct Connector {
    target: Uri,
    proxy: Option<Intercept>,
    connector: HttpConnector<Resolver>,
    tls: Option<Tls>,
    protocol: Protocol,
    limit: Duration,
    limiter: Rc<Limiter>,
}

struct Tls {
    any: TlsConnector,
    http1: TlsConnector,
    name: ServerName<'static>,
}

/// What a connection is for, which decides its protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Requests, in the protocol that is configured or negotiated.
    Any,
    /// Requests over HTTP/1.1.
    Http1,
    /// A request to switch from HTTP/1.1 to another protocol.
    Upgrade,
}

pub(crate) enum Sender {
    /// Takes one request at a time.
    Http1(Rc<RefCell<Http1>>),
    /// Takes many requests at a time.
    Http2(Http2),
}

impl Connector {
    /// Prepares connections to `base`. The error is text for the user.
    pub(crate) fn new(
        base: &Base,
        settings: &UpstreamSettings,
        tls: &Arc<rustls::ClientConfig>,
        limiter: Rc<Limiter>,
    ) -> Result<Self, String> {
        let host = if base.host.contains(':') { format!("[{}]", base.host) } else { base.host.clone() };
        let scheme = if base.tls { "https" } else { "http" };
        let target = Uri::try_from(format!("{scheme}://{host}:{}", base.port));
        let target = target.map_err(|_| "invalid host in the base URL".to_owned())?;
        let (time, interval, retries) = KEEP_ALIVE;
        let proxy = settings.outbound_proxy.as_ref().and_then(|proxy| proxy.way_to(&target));
        // An outbound proxy has a configured address and resolves the API's name itself.
        let mut connector = HttpConnector::new_with_resolver(Resolver::new(base.chosen && proxy.is_none()));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_keepalive(Some(time));
        connector.set_keepalive_interval(Some(interval));
        connector.set_keepalive_retries(Some(retries));
        connector.set_connect_timeout(Some(settings.timeouts.connect));
        let tls = base.tls.then(|| Tls::new(base, settings, tls)).transpose()?;
        let &UpstreamSettings { protocol, ref timeouts, .. } = settings;
        Ok(Self { target, proxy, connector, tls, protocol, limit: timeouts.connect, limiter })
    }

    /// Whether a connection may turn out to speak HTTP/2.
    pub(crate) fn may_be_http2(&self) -> bool {
        match self.protocol {
            Protocol::Auto => self.tls.is_some(),
            Protocol::Http1 => false,
            Protocol::Http2 => true,
        }
    }

    /// Adapts a request for an outbound proxy that forwards plain HTTP: an absolute target and the proxy's credentials.
    pub(crate) fn prepare_for_proxy(&self, request: &mut UpstreamRequest<'_>, base: &Base) {
        if let Some(proxy) = self.proxy.as_ref().filter(|_| !self.tunnels(Purpose::Any)) {
            absolute(&mut request.target, base);
            request.headers.proxy_credentials = proxy.basic_auth().cloned();
        }
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self, purpose: Purpose) -> Result<Sender, Fault> {
        let transport = tokio::time::timeout(self.limit, self.open_transport(purpose))
            .await
            .map_err(|_| Fault::ConnectTimeout)??;
        let http2 = purpose == Purpose::Any
            && match self.protocol {
                Protocol::Auto => transport.agreed_on() == Some(HTTP2),
                Protocol::Http1 => false,
                Protocol::Http2 => true,
            };
        if !http2 {
            let http1 = Http1::new(transport, self.limiter.memory.clone());
            return Ok(Sender::Http1(Rc::new(RefCell::new(http1))));
        }
        Http2::new(transport, self.limiter.memory_most()).await.map(Sender::Http2).map_err(|_| Fault::Reset)
    }

    async fn open_transport(&self, purpose: Purpose) -> Result<Transport, Fault> {
        let permit = self.limiter.socket().ok_or_else(|| self.exhausted())?;
        let stream = self.tcp(purpose).await.map_err(|error| {
            tracing::debug!(error = chain(&*error), target = %self.target, "cannot connect to the upstream");
            if is_local(&*error) { self.exhausted() } else { tcp_fault(&*error) }
        })?;
        let stream = Socket::Upstream { stream, _permit: permit };
        let Some(tls) = &self.tls else { return Ok(Transport::Plain(stream)) };
        let connector = if purpose == Purpose::Any { &tls.any } else { &tls.http1 };
        let stream = connector.connect(tls.name.clone(), stream).await.map_err(|error| {
            tracing::debug!(error = chain(&error), target = %self.target, "TLS handshake with the upstream failed");
            tls_fault(&error)
        })?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    async fn tcp(&self, purpose: Purpose) -> Result<TcpStream, Box<dyn Error + Send + Sync>> {
        let connector = self.connector.clone();
        let stream = match &self.proxy {
            None => connector.oneshot(self.target.clone()).await?,
            Some(proxy) if self.tunnels(purpose) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                tunnel.oneshot(self.target.clone()).await?
            }
            Some(proxy) => connector.oneshot(proxy.uri().clone()).await?,
        };
        Ok(stream.into_inner())
    }

    /// Records that this machine has no descriptor, port or memory left for a connection: the upstream is not to blame.
    fn exhausted(&self) -> Fault {
        self.limiter.refused(Limit::Sockets);
        Fault::NoSocket
    }

    /// Whether an outbound proxy must open a tunnel (`CONNECT`): for everything except plain HTTP/1.1 requests.
    fn tunnels(&self, purpose: Purpose) -> bool {
        self.tls.is_some() || self.protocol == Protocol::Http2 || purpose == Purpose::Upgrade
    }
}

impl Tls {
    fn new(base: &Base, settings: &UpstreamSettings, shared: &Arc<rustls::ClientConfig>) -> Result<Self, String> {
        let offering = |protocols: &[&[u8]]| {
            let mut config = rustls::ClientConfig::clone(shared);
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        let any: &[&[u8]] = match settings.protocol {
            Protocol::Auto => &[HTTP2, HTTP1],
            Protocol::Http1 => &[HTTP1],
            Protocol::Http2 => &[HTTP2],
        };
        let name = settings.server_name.clone().unwrap_or_else(|| base.host.clone());
        let name = ServerName::try_from(name)
            .map_err(|_| "the host in the base URL is not a valid TLS server name".to_owned())?;
        Ok(Self { any: offering(any), http1: offering(&[HTTP1]), name })
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Whether the error is a shortage of resources on this machine.
fn is_local(error: &(dyn Error + 'static)) -> bool {
    const LOCAL: [Errno; 5] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
    let code = |cause: &(dyn Error + 'static)| cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    causes(error).filter_map(code).any(|code| LOCAL.iter().any(|local| local.raw_os_error() == code))
}

fn tcp_fault(error: &(dyn Error + 'static)) -> Fault {
    let timed_out = |error: &(dyn Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut)
    };
    if causes(error).any(|cause| cause.is::<NoAddress>()) {
        Fault::Dns
    } else if causes(error).any(timed_out) {
        Fault::ConnectTimeout
    } else {
        Fault::Unreachable
    }
}

fn tls_fault(error: &io::Error) -> Fault {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => Fault::Certificate,
        _ => Fault::Tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An I/O error within another, as connectors wrap it.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Wrapped(#[source] io::Error);

    #[test]
    fn a_local_shortage_is_not_the_upstreams_fault() {
        let of = |code: Errno| Wrapped(io::Error::from_raw_os_error(code.raw_os_error()));
        for (code, local) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOBUFS, true),
            (Errno::ADDRNOTAVAIL, true),
            (Errno::CONNREFUSED, false),
            (Errno::HOSTUNREACH, false),
        ] {
            assert_eq!(is_local(&of(code)), local, "{code:?}");
        }
        assert_eq!(tcp_fault(&Wrapped(io::ErrorKind::TimedOut.into())), Fault::ConnectTimeout);
        assert_eq!(tcp_fault(&of(Errno::CONNREFUSED)), Fault::Unreachable);
    }
}
