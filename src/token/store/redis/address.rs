//! The address of Redis, and how to connect to it.

use std::path::PathBuf;
use std::sync::Arc;

use redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::secret::Secret;
use crate::token::store::{StoreError, StoreFault};

pub(super) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

enum Endpoint {
    Tcp(String, u16),
    Tls(String, u16, ServerName<'static>, TlsConnector),
    Unix(PathBuf),
}

/// A parsed URL: `redis://`, `rediss://` (TLS) or `unix://`, with user, password and database.
pub(super) struct RedisAddress {
    place: Endpoint,
    settings: RedisConnectionInfo,
}

impl RedisAddress {
    /// Parses the URL. The crate parses it and bearerd makes the connection, so that TLS has the same settings as
    /// elsewhere.
    pub(super) fn read(url: &Secret, tls: Arc<ClientConfig>) -> Result<Self, StoreError> {
        let url = url.expose();
        let encrypted = url.strip_prefix("rediss:").map(|rest| format!("redis:{rest}"));
        let wrong = |what: &str| StoreError::new(StoreFault::Misconfigured, format!("the Redis URL {what}"));
        let info = encrypted.as_deref().unwrap_or(url).into_connection_info();
        let info = info.map_err(|error| wrong(&format!("cannot be read: {}", error.category())))?;
        let place = match (info.addr(), encrypted) {
            (ConnectionAddr::Tcp(host, port), None) => Endpoint::Tcp(host.clone(), *port),
            (ConnectionAddr::Tcp(host, port), Some(_)) => {
                let name = ServerName::try_from(host.clone()).map_err(|_| wrong("has no host name to verify"))?;
                Endpoint::Tls(host.clone(), *port, name, TlsConnector::from(tls))
            }
            (ConnectionAddr::Unix(path), _) => Endpoint::Unix(path.clone()),
            _ => return Err(wrong("has an unknown scheme")),
        };
        // With RESP3, messages and replies share one connection.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        Ok(Self { place, settings })
    }

    pub(super) fn settings(&self) -> &RedisConnectionInfo {
        &self.settings
    }

    pub(super) async fn connect(&self) -> std::io::Result<Box<dyn ByteStream>> {
        Ok(match &self.place {
            Endpoint::Tcp(host, port) => Box::new(tcp(host, *port).await?),
            Endpoint::Tls(host, port, name, connector) => {
                Box::new(connector.connect(name.clone(), tcp(host, *port).await?).await?)
            }
            Endpoint::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

async fn tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
