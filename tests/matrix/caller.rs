//! A caller: one connection for each call.

use tokio::net::TcpStream;

use crate::http1::Wire;
use crate::http2;
use crate::message::{Draft, Framing, Message};

/// What a caller speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Calls {
    Http1,
    Http2,
}

/// Makes a call; the answer as it came.
pub async fn call(calls: Calls, port: u16, draft: &Draft) -> Message {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    match calls {
        Calls::Http1 => call_http1(stream, port, draft).await,
        Calls::Http2 => call_http2(stream, port, draft).await,
    }
}

async fn call_http1(stream: TcpStream, port: u16, draft: &Draft) -> Message {
    let mut wire = Wire::new(stream);
    let mut draft = draft.clone();
    draft.message.fields.insert(0, ("Host".into(), format!("127.0.0.1:{port}")));
    // Trailers come only to who says that it takes them.
    draft.message.fields.extend([("Connection".into(), "TE".into()), ("TE".into(), "trailers".into())]);
    wire.send(&draft, true).await;
    let mut interim = Vec::new();
    let mut waits = draft.message.field("expect").is_some();
    loop {
        let mut answer = wire.head(false).await.expect("an answer");
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

async fn call_http2(stream: TcpStream, port: u16, draft: &Draft) -> Message {
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = http2::request_head(draft, &format!("127.0.0.1:{port}"));
    if draft.framing == Framing::Length {
        request.headers_mut().insert("content-length", draft.message.body.len().into());
    }
    request.headers_mut().insert("te", http::HeaderValue::from_static("trailers"));
    let bodyless = draft.message.body.is_empty();
    let (answer, mut stream) = sender.ready().await.unwrap().send_request(request, bodyless).unwrap();
    if !bodyless {
        http2::send(&mut stream, &draft.message).await;
    }
    let (head, mut body) = answer.await.unwrap().into_parts();
    let mut message = http2::answered(&head);
    http2::read(&mut body, &mut message).await;
    message
}
