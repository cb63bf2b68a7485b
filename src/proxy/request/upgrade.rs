//! WebSocket: the handshake carries a token like any request; afterwards bytes are copied in both directions until both sides
//! end. All other offers to switch protocols are ignored, as RFC 9110 §7.8 allows.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Version, header, request};

use super::exchange::Exchange;
use crate::proxy::socket::{Rewound, Socket};
use crate::proxy::upstream::transport::Transport;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Whether the caller asks for a WebSocket (RFC 6455 §4.1).
pub(crate) fn is_websocket_request(head: &request::Parts) -> bool {
    let lists = |name, wanted: &str| items(&head.headers, name).any(|item| item.eq_ignore_ascii_case(wanted));
    head.version == Version::HTTP_11
        && head.headers.contains_key(header::UPGRADE)
        && head.method == http::Method::GET
        && lists(header::UPGRADE, "websocket")
        && lists(header::CONNECTION, "upgrade")
}

/// Whether a 101 response switches to a WebSocket, and to nothing else (RFC 9110 §7.8).
pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    let mut protocols = items(headers, header::UPGRADE).peekable();
    protocols.peek().is_some() && protocols.all(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// The members of a list in any number of lines.
fn items(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().map(|line| line.to_str().unwrap_or("?"));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// Sets the headers that ask for a WebSocket, or accept it.
pub(crate) fn set_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, WEBSOCKET);
}

/// The upstream side of a WebSocket, and the exchange that stays open until the tunnel ends.
pub(crate) struct Tunnel {
    pub(crate) upstream: Rewound<Transport>,
    /// Ends with the tunnel.
    pub(crate) exchange: Box<Exchange>,
}

impl Tunnel {
    /// Copies bytes both ways until both sides have ended or one fails. `buffered` is what was already read from the caller.
    pub(crate) async fn run(mut self, buffered: Bytes, socket: Socket) {
        // Until both sides have ended: at the end of the grace period this future is dropped.
        self.exchange.cut = true;
        let mut caller = Rewound { buffered, socket };
        let copied = tokio::io::copy_bidirectional(&mut caller, &mut self.upstream).await;
        self.exchange.cut = copied.inspect_err(|error| tracing::debug!(%error, "tunnel ended early")).is_err();
    }
}
