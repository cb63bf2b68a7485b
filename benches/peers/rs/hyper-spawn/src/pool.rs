//! Connections to the upstream: a stack of idle ones, each driven by its own task.
use crate::Failure;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

pub struct Pool {
    port: u16,
    tls: Option<TlsConnector>,
    idle: RefCell<Vec<SendRequest<Incoming>>>,
}

impl Pool {
    pub fn new(port: u16, ca: Option<&str>) -> Result<Self, Failure> {
        Ok(Self { port, tls: ca.map(connector).transpose()?, idle: RefCell::default() })
    }

    pub async fn send(self: &Rc<Self>, request: Request<Incoming>) -> Result<Response<Pooled>, Failure> {
        let mut sender = self.checkout().await?;
        let response = sender.send_request(request).await?;
        Ok(response.map(|body| {
            let mut pooled = Pooled { body, connection: Some((sender, Rc::clone(self))) };
            if pooled.body.is_end_stream() {
                pooled.give_back();
            }
            pooled
        }))
    }

    async fn checkout(&self) -> Result<SendRequest<Incoming>, Failure> {
        loop {
            let Some(mut sender) = self.idle.borrow_mut().pop() else { return self.dial().await };
            if sender.is_ready() || (!sender.is_closed() && sender.ready().await.is_ok()) {
                return Ok(sender);
            }
        }
    }

    async fn dial(&self) -> Result<SendRequest<Incoming>, Failure> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        socket.set_nodelay(true)?;
        match &self.tls {
            None => drive(socket).await,
            Some(tls) => drive(tls.connect(ServerName::try_from("localhost")?, socket).await?).await,
        }
    }
}

async fn drive(io: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Result<SendRequest<Incoming>, Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

fn connector(ca: &str) -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A response body. Its connection returns to the pool after the last byte.
pub struct Pooled {
    body: Incoming,
    connection: Option<(SendRequest<Incoming>, Rc<Pool>)>,
}

impl Pooled {
    fn give_back(&mut self) {
        if let Some((sender, pool)) = self.connection.take() {
            pool.idle.borrow_mut().push(sender);
        }
    }
}

impl Body for Pooled {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // A body of known length ends with its last frame, a chunked one with the `None` after it.
        if matches!(frame, Poll::Ready(None)) || (frame.is_ready() && self.body.is_end_stream()) {
            self.give_back();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
