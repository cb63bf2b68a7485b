//! `/upgrade`: echoes bytes after an upgrade to any protocol, WebSocket included.

use base64::Engine as _;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::answer::{MockAnswer, empty};

/// Switches to the offered protocol; 426 if there was none.
pub(super) fn answer(head: Parts, body: Incoming) -> MockAnswer {
    let Some(protocol) = head.headers.get(UPGRADE).cloned() else {
        return empty(426);
    };
    let mut answer = empty(200);
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer.headers_mut().insert(UPGRADE, protocol);
    if let Some(accept) = head.headers.get(SEC_WEBSOCKET_KEY).and_then(accept) {
        answer.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    tokio::spawn(async move {
        let Ok(stream) = hyper::upgrade::on(Request::from_parts(head, body)).await else {
            return;
        };
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(stream));
        // Either side may disconnect at any time.
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut writer).await;
    });
    answer
}

/// RFC 6455 §4.2.2.
fn accept(key: &HeaderValue) -> Option<HeaderValue> {
    let keyed = [key.as_bytes(), b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let sum = base64::engine::general_purpose::STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &keyed));
    HeaderValue::from_str(&sum).ok()
}
