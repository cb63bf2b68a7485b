//! A connection to an upstream: name, TCP with happy eyeballs, TLS, HTTP/1.1.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiFuture, GaiResolver, Name};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::{Service, ServiceExt};

use super::body::Outgoing;
use super::error::Fault;
use super::settings::{Base, UpstreamSettings};

/// How to reach one base.
pub(crate) struct Dial {
    target: Uri,
    connector: HttpConnector<Resolver>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limit: Duration,
}

impl Dial {
    /// How to reach `base`. The text of an error is for people.
    pub(crate) fn new(
        base: &Base,
        settings: &UpstreamSettings,
        tls: &Arc<rustls::ClientConfig>,
    ) -> Result<Self, String> {
        let host = if base.host.contains(':') { format!("[{}]", base.host) } else { base.host.clone() };
        let target = format!("http://{host}:{}", base.port);
        let mut connector = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(Duration::from_secs(60)));
        connector.set_connect_timeout(Some(settings.timeouts.connect));
        let tls = base.tls.then(|| tls_for(base, settings, tls)).transpose()?;
        let target = Uri::try_from(target).map_err(|_| "the host of the base URL is not one".to_owned())?;
        Ok(Self { target, connector, tls, limit: settings.timeouts.connect })
    }

    /// A fresh connection that can take a request.
    pub(crate) async fn connect(&self) -> Result<SendRequest<Outgoing>, Fault> {
        let link = tokio::time::timeout(self.limit, self.link()).await.map_err(|_| Fault::ConnectTimeout)??;
        let mut http = http1::Builder::new();
        http.preserve_header_case(true);
        let (sender, connection) = http.handshake(TokioIo::new(link)).await.map_err(|_| Fault::Reset)?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(sender)
    }

    async fn link(&self) -> Result<Link, Fault> {
        let stream = self.connector.clone().oneshot(self.target.clone()).await.map_err(|error| {
            tracing::debug!(error = chain(&error), target = %self.target, "no connection to the upstream");
            tcp_fault(&error)
        })?;
        let stream = stream.into_inner();
        match &self.tls {
            None => Ok(Link::Plain(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(|error| {
                    tracing::debug!(error = chain(&error), target = %self.target, "no TLS connection to the upstream");
                    tls_fault(&error)
                })?;
                Ok(Link::Tls(Box::new(stream)))
            }
        }
    }
}

fn tls_for(
    base: &Base,
    settings: &UpstreamSettings,
    shared: &Arc<rustls::ClientConfig>,
) -> Result<(TlsConnector, ServerName<'static>), String> {
    let mut config = rustls::ClientConfig::clone(shared);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = settings.server_name.clone().unwrap_or_else(|| base.host.clone());
    let name = ServerName::try_from(name).map_err(|_| "the host of the base URL is no name for TLS".to_owned())?;
    Ok((TlsConnector::from(Arc::new(config)), name))
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

/// The system's resolver; a failure of it can be told from one to connect.
#[derive(Clone)]
struct Resolver(GaiResolver);

#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve")]
struct NoAddress(#[source] io::Error);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = NoAddress;
    type Future = Resolving;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(NoAddress)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Resolving(self.0.call(name))
    }
}

struct Resolving(GaiFuture);

impl Future for Resolving {
    type Output = Result<GaiAddrs, NoAddress>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(NoAddress)
    }
}

/// A connection's bytes.
enum Link {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! on_either {
    ($link:expr, $stream:ident => $call:expr) => {
        match $link.get_mut() {
            Link::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Link::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_either!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_either!(self, stream => stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_shutdown(cx))
    }
}
