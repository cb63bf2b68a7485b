//! Helpers to read requests and build responses, shared by all dialects.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;

use super::received::{Bearer, Kind};

/// The body of a response.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;
pub(super) type MockAnswer = Response<AnswerBody>;
/// The sender of a streamed body's frames.
pub(super) type Frames = mpsc::Sender<io::Result<Frame<Bytes>>>;

/// A complete request to a token endpoint.
pub(super) struct EndpointRequest {
    pub(super) kind: Kind,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The token issued for it.
    pub(super) issued: OnceLock<Bearer>,
}

impl EndpointRequest {
    /// Built from the head, before the body is read.
    pub(super) fn new(head: &http::request::Parts) -> Self {
        let (method, headers) = (head.method.clone(), head.headers.clone());
        Self { kind: Kind::Login, method, headers, body: Bytes::new(), issued: OnceLock::new() }
    }

    /// A header's value; `None` if it is missing or not text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the `Content-Type` is this media type, ignoring parameters.
    pub(super) fn is(&self, media_type: &str) -> bool {
        let said = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }

    /// A field of a form body.
    pub(super) fn form(&self, name: &str) -> Option<String> {
        if !self.is("application/x-www-form-urlencoded") {
            return None;
        }
        let mut fields = url::form_urlencoded::parse(&self.body);
        fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
    }

    /// A text field of a JSON object body.
    pub(super) fn json(&self, name: &str) -> Option<String> {
        if !self.is("application/json") {
            return None;
        }
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get(name)?.as_str()?.to_owned())
    }

    /// The decoded credentials of `Authorization: Basic`.
    pub(super) fn basic(&self) -> Option<Vec<u8>> {
        use base64::Engine as _;
        let (scheme, value) = self.header(AUTHORIZATION.as_str())?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        base64::engine::general_purpose::STANDARD.decode(value).ok()
    }
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// A response with a complete body.
pub(super) fn full(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> MockAnswer {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    dress(status, content_type, body)
}

/// A JSON response.
pub(super) fn json(status: u16, value: &Value) -> MockAnswer {
    full(status, "application/json", value.to_string())
}

/// A response without a body.
pub(super) fn empty(status: u16) -> MockAnswer {
    let mut answer = full(status, "text/plain", Bytes::new());
    answer.headers_mut().remove(CONTENT_TYPE);
    answer
}

/// Sets a header, unless the value is invalid.
pub(super) fn set(answer: &mut MockAnswer, name: http::HeaderName, value: &str) {
    if let Ok(value) = http::HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// An HTTP-date (RFC 9110 §5.6.7), with the weekday shifted by `weekday_off` days.
pub(super) fn http_date(moment: SystemTime, weekday_off: u8) -> String {
    let moment = time::OffsetDateTime::from(moment);
    let (weekday, month) = (moment.weekday().nth_next(weekday_off).to_string(), moment.month().to_string());
    let (day, year, (hour, minute, second)) = (moment.day(), moment.year(), moment.to_hms());
    format!("{weekday:.3}, {day:02} {month:.3} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// A response whose frames are sent one by one. The channel is bounded, so that the reader sets the pace.
pub(super) fn streamed(status: u16, content_type: &'static str) -> (Frames, MockAnswer) {
    let (frames, rest) = mpsc::channel(4);
    (frames, dress(status, content_type, Streamed(rest).boxed_unsync()))
}

fn dress(status: u16, content_type: &'static str, body: AnswerBody) -> MockAnswer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    answer
}

struct Streamed(mpsc::Receiver<io::Result<Frame<Bytes>>>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context)
    }
}

/// `content` in gzip format, stored without compression.
pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
    let content = &content[..usize::from(length)];
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(content);
    out.extend(crc32(content).to_le_bytes());
    out.extend(u32::from(length).to_le_bytes());
    out
}

fn crc32(content: &[u8]) -> u32 {
    !content.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(sum & 1)))
    })
}
