//! Both ends of HTTP/2, frame by frame.

use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};

use crate::message::{Draft, Field, Framing, Message};

/// Far more small frames than are sent at once; the limit is not what this tests.
pub const FRAMES: usize = 1 << 30;

const PATIENCE: Duration = Duration::from_secs(20);

pub fn map(fields: impl IntoIterator<Item = Field>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
    }
    map
}

pub fn fields(map: &HeaderMap) -> Vec<Field> {
    map.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// Sends a body as flow control allows, chunk by chunk if it has chunks, and its trailers.
pub async fn send(stream: &mut SendStream<Bytes>, draft: &Draft) {
    let Message { body, trailers, .. } = &draft.message;
    let size = if let Framing::Chunked(size) = draft.framing { size } else { body.len() };
    let mut chunks = body.chunks(size.max(1)).peekable();
    while let Some(chunk) = chunks.next() {
        let last = chunks.peek().is_none() && trailers.is_empty();
        if send_data(stream, Bytes::copy_from_slice(chunk), last).await.is_none() {
            return;
        }
    }
    if !trailers.is_empty() {
        let _ = stream.send_trailers(map(trailers.clone()));
    }
}

async fn send_data(stream: &mut SendStream<Bytes>, mut rest: Bytes, last: bool) -> Option<()> {
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        let granted = tokio::time::timeout(PATIENCE, std::future::poll_fn(|cx| stream.poll_capacity(cx))).await;
        let granted = granted.expect("sending hangs")?.ok()?;
        let part = rest.split_to(granted.min(rest.len()));
        stream.send_data(part, last && rest.is_empty()).ok()?;
    }
    Some(())
}

pub async fn read(body: &mut RecvStream, message: &mut Message) {
    while let Some(data) = tokio::time::timeout(PATIENCE, body.data()).await.expect("no data comes") {
        let Ok(data) = data else { return };
        let _ = body.flow_control().release_capacity(data.len());
        message.body.extend_from_slice(&data);
    }
    if let Ok(Some(trailers)) = body.trailers().await {
        message.trailers = fields(&trailers);
    }
}

pub fn request_head(draft: &Draft, authority: &str) -> Request<()> {
    let uri = format!("http://{authority}{}", draft.message.more);
    let mut request = Request::builder().method(draft.message.start.as_str()).uri(uri).body(()).unwrap();
    *request.headers_mut() = map(draft.message.lower());
    request
}

pub fn answer_head(message: &Message, length: bool) -> Response<()> {
    let mut answer = Response::builder().status(message.start.as_str()).body(()).unwrap();
    *answer.headers_mut() = map(message.lower());
    if length {
        answer.headers_mut().insert("content-length", message.body.len().into());
    }
    answer
}

pub fn asked(head: &http::request::Parts) -> Message {
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let mut message = Message::new(head.method.as_str(), target).of("HTTP/2.0");
    let authority = head.uri.authority().map(ToString::to_string).unwrap_or_default();
    message.fields = fields(&head.headers);
    message.fields.push(("host".into(), authority));
    message
}

pub fn answered(head: &http::response::Parts) -> Message {
    let mut message = Message::new(head.status.as_str(), "").of("HTTP/2.0");
    message.fields = fields(&head.headers);
    message
}
