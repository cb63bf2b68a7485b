//! A caller with one connection per call.

use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use tokio::net::TcpStream;

use crate::http1::Wire;
use crate::http2;
use crate::message::{Draft, Framing, Message};

/// A caller's protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Calls {
    Http10,
    Http1,
    Http2,
}

/// Keeps an HTTP/2 connection open. If it were closed at once, a late WINDOW_UPDATE would cause a reset, which discards
/// data that the peer has not read yet (RFC 1122 §4.2.2.13).
pub type Open = Option<h2::client::SendRequest<Bytes>>;

/// Makes a call and returns the response as it arrived.
pub async fn call(calls: Calls, port: u16, draft: &Draft) -> (Message, Open) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    match calls {
        Calls::Http10 => (call_http1(stream, with_host(draft, port, "HTTP/1.0")).await, None),
        Calls::Http1 => (call_http1(stream, of_one_connection(with_host(draft, port, "HTTP/1.1"))).await, None),
        Calls::Http2 => call_http2(stream, port, draft).await,
    }
}

fn with_host(draft: &Draft, port: u16, version: &str) -> Draft {
    let mut draft = draft.clone();
    draft.message = draft.message.of(version);
    draft.message.fields.insert(0, ("Host".into(), format!("127.0.0.1:{port}")));
    draft
}

/// The fields for the next hop only; but trailers are sent only to callers that accept them.
fn of_one_connection(mut draft: Draft) -> Draft {
    draft.message = draft.message.with(&[
        ("Connection", "TE, X-Hop"),
        ("TE", "trailers"),
        ("X-Hop", "1"),
        ("connection", "keep-alive,x-HOP-too"),
        ("X-Hop-Too", "2"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
    ]);
    draft
}

async fn call_http1(stream: TcpStream, draft: Draft) -> Message {
    let mut wire = Wire::new(stream);
    wire.send(&draft, true).await;
    let mut interim = Vec::new();
    let mut waits = draft.message.field("expect").is_some();
    loop {
        let Some(mut answer) = wire.head(false).await else { return Message::new("none", "the connection ended") };
        let status: u16 = answer.start.parse().unwrap();
        if status < 200 {
            interim.push(status);
            if std::mem::take(&mut waits) {
                wire.send_body(&draft).await;
            }
            continue;
        }
        let bodyless = draft.message.start == "HEAD" || matches!(status, 204 | 304);
        wire.body(&mut answer, bodyless, false).await;
        answer.interim = interim;
        return answer;
    }
}

async fn call_http2(stream: TcpStream, port: u16, draft: &Draft) -> (Message, Open) {
    let (sender, connection) =
        h2::client::Builder::new().data_frame_budget(http2::FRAMES).handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = http2::request_head(draft, &format!("127.0.0.1:{port}"));
    if draft.framing == Framing::Length {
        request.headers_mut().insert("content-length", draft.message.body.len().into());
    }
    request.headers_mut().insert("te", http::HeaderValue::from_static("trailers"));
    let bodyless = draft.message.body.is_empty();
    let mut sender = sender.ready().await.unwrap();
    let (mut answer, mut stream) = sender.send_request(request, bodyless).unwrap();
    if !bodyless {
        http2::send(&mut stream, draft).await;
    }
    let mut interim = Vec::new();
    let answer = std::future::poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(said))) = answer.poll_informational(cx) {
            interim.push(said.status().as_u16());
        }
        Pin::new(&mut answer).poll(cx)
    });
    let (head, mut body) = match answer.await {
        Ok(answer) => answer.into_parts(),
        Err(error) => return (Message::new("none", &error.to_string()), None),
    };
    let mut message = http2::answered(&head);
    message.interim = interim;
    http2::read(&mut body, &mut message).await;
    (message, Some(sender))
}
