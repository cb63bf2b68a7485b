//! Responses to API calls with a valid token: samples, an echo, and cases that are difficult for proxies.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};

use super::answer::{Frames, MockAnswer, empty, full, gzip, json, set, streamed};
use super::received::{BODY_KEPT, LogEntry, pairs};
use super::vendor::Vendor;
use super::vendors::dialect;
use super::wire::Cut;

/// A block of the `/bytes` body; byte `i` of the body is `i % 251`.
static PIECE: LazyLock<Bytes> = LazyLock::new(|| (0..251 * 256).map(|i: u32| (i % 251).to_le_bytes()[0]).collect());
/// The pause between two pieces of `/drip`.
const DRIP: Duration = Duration::from_millis(200);

/// Echoes the request, unless the path has another meaning.
pub(super) async fn answer(
    vendor: &Arc<Vendor>,
    head: Parts,
    body: Incoming,
    path: &str,
    entry: &LogEntry,
) -> Result<MockAnswer, Cut> {
    match path {
        "/mirror" => return Ok(mirror(body)),
        "/early" => return Ok(full(413, "text/plain", "no need to go on\n")),
        "/upgrade" => return Ok(super::upgrade::answer(head, body)),
        "/slow-head" => vendor.switches.heads.acquire().await.map_err(|_| Cut)?.forget(),
        _ => {}
    }
    let heard = hear(body, entry).await?;
    if matches!(head.method, Method::GET | Method::HEAD)
        && let Some(sample) = dialect(vendor.api).sample(path)
    {
        return Ok(json(200, &sample));
    }
    Ok(oddity(vendor, &head, path).unwrap_or_else(|| json(200, &echo(vendor, &head, &heard))))
}

/// Endpoints for testing a proxy.
fn oddity(vendor: &Arc<Vendor>, head: &Parts, path: &str) -> Option<MockAnswer> {
    let query = |name: &str| number(head.uri.query().unwrap_or_default(), name);
    let answer = match path {
        "/bytes" => bytes(query("n").unwrap_or(1024)),
        "/cut" => cut(query("n").unwrap_or(1024)),
        "/drip" => drip(vendor.clone(), query("n").unwrap_or(5), head.uri.query() == Some("hold")),
        "/trailers" => trailers(),
        "/headers" => dressed(head.uri.query().unwrap_or_default()),
        "/redirect" => with(empty(302), LOCATION, &format!("{}/landed?a=1", vendor.url())),
        "/cookie" => with(empty(200), SET_COOKIE, &cookie(&head.headers)),
        "/gzip-error" => gzip_error(&dialect(vendor.api).expired()),
        _ => return status(path).map(empty),
    };
    Some(answer)
}

fn status(path: &str) -> Option<u16> {
    let status = path.strip_prefix("/status/")?.parse().ok()?;
    (200..=599).contains(&status).then_some(status)
}

fn cookie(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let domain = host.split(':').next().unwrap_or_default();
    format!("session=1; Domain={domain}; Path=/; Secure; HttpOnly")
}

fn gzip_error(error: &Value) -> MockAnswer {
    with(full(401, "application/json", gzip(error.to_string().as_bytes())), CONTENT_ENCODING, "gzip")
}

fn with(mut answer: MockAnswer, name: HeaderName, value: &str) -> MockAnswer {
    set(&mut answer, name, value);
    answer
}

/// A response with a header for each query field; names can repeat.
fn dressed(query: &str) -> MockAnswer {
    let mut answer = full(200, "text/plain", "dressed\n");
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(&*name), HeaderValue::from_str(&value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

fn number(query: &str, name: &str) -> Option<u64> {
    let mut fields = url::form_urlencoded::parse(query.as_bytes());
    fields.find(|(field, _)| field == name)?.1.parse().ok()
}

/// A request body that was read.
pub(super) struct Heard {
    kept: Vec<u8>,
    length: u64,
    sha256: String,
    trailers: HeaderMap,
}

/// Reads the whole body and keeps its beginning.
pub(super) async fn hear(mut body: Incoming, entry: &LogEntry) -> Result<Heard, Cut> {
    let mut sum = ring::digest::Context::new(&ring::digest::SHA256);
    let (mut kept, mut length, mut trailers) = (Vec::new(), 0, HeaderMap::new());
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| Cut)?.into_data() {
            Ok(data) => {
                sum.update(&data);
                length += data.len() as u64;
                kept.extend_from_slice(&data[..data.len().min(BODY_KEPT - kept.len())]);
            }
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    if length > 0 {
        entry.note(|received| {
            received.body.clone_from(&kept);
            received.body_length = length;
        });
    }
    let sha256 = sum.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Heard { kept, length, sha256, trailers })
}

/// Describes the request as JSON.
fn echo(vendor: &Vendor, head: &Parts, heard: &Heard) -> Value {
    let bearer = vendor.tokens.bearer(super::answer::bearer(&head.headers).unwrap_or_default());
    let mut body = json!({ "length": heard.length, "sha256": heard.sha256 });
    if heard.length == heard.kept.len() as u64
        && let Ok(text) = std::str::from_utf8(&heard.kept)
    {
        body["text"] = text.into();
    }
    json!({
        "api": vendor.api.name(),
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": pairs(&head.headers),
        "body": body,
        "trailers": pairs(&heard.trailers),
        "token": bearer.number,
        "subject": bearer.subject,
    })
}

fn mirror(body: Incoming) -> MockAnswer {
    let mut answer = empty(200);
    *answer.body_mut() = body.map_err(std::io::Error::other).boxed_unsync();
    answer
}

fn bytes(length: u64) -> MockAnswer {
    let (frames, mut answer) = streamed(200, "application/octet-stream");
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    tokio::spawn(send(frames, length));
    answer
}

async fn send(frames: Frames, mut left: u64) {
    while left > 0 {
        let length = PIECE.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= length as u64;
        if frames.send(Ok(Frame::data(PIECE.slice(..length)))).await.is_err() {
            return;
        }
    }
}

/// Announces `length` bytes and closes the connection half-way.
fn cut(length: u64) -> MockAnswer {
    let (frames, mut answer) = streamed(200, "application/octet-stream");
    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
    tokio::spawn(async move {
        send(frames.clone(), length / 2).await;
        // The reader sees the end anyway.
        let _ = frames.send(Err(std::io::Error::other(Cut))).await;
    });
    answer
}

/// Server-sent events, one by one. With `hold`, each but the first waits to be released.
fn drip(vendor: Arc<Vendor>, pieces: u64, hold: bool) -> MockAnswer {
    let (frames, answer) = streamed(200, "text/event-stream");
    tokio::spawn(async move {
        for piece in 1..=pieces {
            if piece > 1 && hold {
                let Ok(permit) = vendor.switches.pieces.acquire().await else {
                    return;
                };
                permit.forget();
            } else if piece > 1 {
                tokio::time::sleep(DRIP).await;
            }
            if frames.send(Ok(Frame::data(format!("data: {piece}\n\n").into()))).await.is_err() {
                return;
            }
        }
    });
    answer
}

/// A chunked response with a trailer.
fn trailers() -> MockAnswer {
    let (frames, mut answer) = streamed(200, "text/plain");
    answer.headers_mut().insert(http::header::TRAILER, HeaderValue::from_static("x-sum"));
    tokio::spawn(async move {
        let end = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("6"))]);
        for frame in [Frame::data("one".into()), Frame::data("two".into()), Frame::trailers(end)] {
            if frames.send(Ok(frame)).await.is_err() {
                return;
            }
        }
    });
    answer
}
