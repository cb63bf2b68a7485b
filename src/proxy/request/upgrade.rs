//! WebSocket: a handshake with a token like any request, then bytes in both directions until both sides have ended.
//! Every other offer to switch protocols is dropped, and the request is served as if it were not there (RFC 9110 §7.8).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Version, header, request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::Exchange;
use crate::proxy::socket::{Rewound, Socket};
use crate::proxy::upstream::transport::Transport;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Whether the caller asks for a WebSocket (RFC 6455 §4.1).
pub(crate) fn is_asked_for(head: &request::Parts) -> bool {
    let lists = |name, wanted: &str| {
        let lines = head.headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
    };
    head.version == Version::HTTP_11
        && head.headers.contains_key(header::UPGRADE)
        && head.method == http::Method::GET
        && lists(header::UPGRADE, "websocket")
        && lists(header::CONNECTION, "upgrade")
}

/// Asks for a WebSocket, or grants it.
pub(crate) fn mark(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, WEBSOCKET);
}

/// The upstream's end of a WebSocket.
pub(crate) enum Far {
    /// A connection of ours.
    Direct(Rewound<Transport>),
    /// One of hyper's, once it lets go of it.
    Hyper(OnUpgrade),
}

/// The upstream's end of a WebSocket, and the request that is in flight until it ends.
pub(crate) struct Tunnel {
    /// The upstream's end.
    pub(crate) upstream: Far,
    /// Ends with the tunnel.
    pub(crate) entry: Box<Exchange>,
}

impl Tunnel {
    /// Carries bytes, first what was read ahead of the caller's, until both sides have ended, or one is gone.
    pub(crate) async fn carry(self, ahead: Bytes, socket: Socket) {
        let caller = Rewound { ahead, socket };
        match self.upstream {
            Far::Direct(upstream) => copy(caller, upstream).await,
            Far::Hyper(upstream) => match upstream.await {
                Ok(upstream) => copy(caller, TokioIo::new(upstream)).await,
                Err(_) => return,
            },
        }
        drop(self.entry);
    }
}

async fn copy(mut caller: Rewound<Socket>, mut upstream: impl AsyncRead + AsyncWrite + Unpin) {
    if let Err(error) = tokio::io::copy_bidirectional(&mut caller, &mut upstream).await {
        tracing::debug!(%error, "a tunnel broke off");
    }
}
