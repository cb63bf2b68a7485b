//! Decides whether a response says that its token has expired. The head is usually enough. Where only a small JSON body can say
//! so, it is buffered for inspection and still passed on unchanged. JSON is recognised by its first byte and gzip by its magic
//! number, because the Content-Type and Content-Encoding of error responses are often wrong.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, header};

use super::response::{UpstreamBody, UpstreamResponse};
use crate::token::usage::{Usage, Verdict};

/// The longest body that is inspected, both as sent and decoded.
const MAX_BODY: usize = 64 << 10;

/// How long the inspection may delay a response of unknown length.
const MAX_DELAY: Duration = Duration::from_millis(250);

/// The first byte that is not white space must be among this many decoded bytes.
const MAX_PREFIX: u64 = 1 << 10;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A byte order mark: JSON forbids it, but some servers send it (RFC 8259 §8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether the response says that its token has expired. Waits up to `timeout` for a body of known length.
pub(crate) async fn is_expired(usage: &dyn Usage, response: &mut UpstreamResponse, timeout: Duration) -> bool {
    match usage.verdict(response.head.status, &response.head.headers) {
        Verdict::Accepted => false,
        Verdict::Expired => true,
        Verdict::AskBody => body_says_expired(usage, response, timeout).await,
    }
}

async fn body_says_expired(usage: &dyn Usage, response: &mut UpstreamResponse, timeout: Duration) -> bool {
    let length = response.body.length();
    if length.is_some_and(|length| length > MAX_BODY as u64) {
        return false;
    }
    let timeout = if length.is_some() { timeout } else { MAX_DELAY };
    let reading = read_small(&mut response.body, usage.reads_text());
    let text = tokio::time::timeout(timeout, reading).await.ok().flatten();
    let decoded = text.and_then(decoded);
    decoded.is_some_and(|text| usage.body_says_expired(response.head.status, &response.head.headers, &text))
}

/// Buffers a body to its end. Returns `None` as soon as it is too long or, unless `any`, does not begin as JSON.
async fn read_small(body: &mut UpstreamBody, any: bool) -> Option<Vec<u8>> {
    let (mut text, mut is_candidate) = (Vec::new(), any);
    while let Some(frame) = body.read_ahead().await {
        text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if text.len() > MAX_BODY {
            return None;
        }
        is_candidate = is_candidate || begins_as_json(&text)?;
    }
    Some(text)
}

/// Whether a body begins as a JSON object or array: `Some(false)` if more bytes are needed, `None` if it is neither.
fn begins_as_json(text: &[u8]) -> Option<bool> {
    let mut prefix = Vec::new();
    let read = match GZIP.starts_with(text.get(..GZIP.len()).unwrap_or(text)) {
        true => MultiGzDecoder::new(text).take(MAX_PREFIX).read_to_end(&mut prefix),
        false => text.take(MAX_PREFIX).read_to_end(&mut prefix),
    };
    let prefix = prefix.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&prefix);
    match prefix.trim_ascii_start().first() {
        Some(b'{' | b'[') => Some(true),
        None if read.is_ok() || read.is_err_and(|error| error.kind() == ErrorKind::UnexpectedEof) => Some(false),
        Some(0xef) if prefix.len() < 3 => Some(false),
        _ => None,
    }
}

/// The Accept-Encoding for the upstream, limited to what can be inspected: gzip if the caller accepts it, otherwise identity.
pub(crate) fn readable_encoding(headers: &HeaderMap) -> HeaderValue {
    let gzip = headers.get_all(header::ACCEPT_ENCODING).iter().any(accepts_gzip);
    HeaderValue::from_static(if gzip { "gzip" } else { "identity" })
}

fn accepts_gzip(line: &HeaderValue) -> bool {
    let refused = |rest: &str| rest.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
    line.to_str().unwrap_or_default().split(',').any(|item| {
        let (name, rest) = item.split_once(';').unwrap_or((item, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !refused(rest)
    })
}

/// Decodes a body and removes its byte order mark; `None` if the body is too long.
fn decoded(mut text: Vec<u8>) -> Option<Vec<u8>> {
    if text.starts_with(&GZIP) {
        let mut decoded = Vec::new();
        MultiGzDecoder::new(&*text).take((MAX_BODY as u64).saturating_add(1)).read_to_end(&mut decoded).ok()?;
        text = decoded;
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    (text.len() <= MAX_BODY).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_decoded_up_to_a_limit() {
        assert_eq!(decoded(gzip(b"{}")).unwrap(), b"{}");
        assert_eq!(decoded(gzip(&vec![b' '; MAX_BODY + 1])), None);
        assert_eq!(decoded(b"\xef\xbb\xbf{}".to_vec()).unwrap(), b"{}");
        assert_eq!(decoded(GZIP.to_vec()), None);
    }

    #[test]
    fn only_encodings_that_can_be_read_are_asked_for() {
        for (sent, expected) in [
            (None, "identity"),
            (Some("br, gzip;q=0.5"), "gzip"),
            (Some("GZIP"), "gzip"),
            (Some("br"), "identity"),
            (Some("gzip;q=0"), "identity"),
            (Some("gzip; q=0.0"), "identity"),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(sent.map(|sent| (header::ACCEPT_ENCODING, HeaderValue::from_static(sent))));
            assert_eq!(readable_encoding(&headers), expected, "{sent:?}");
        }
    }

    #[test]
    fn json_is_known_by_how_it_begins() {
        for (text, json) in [
            (&b"{"[..], Some(true)),
            (b" \r\n\t[1]", Some(true)),
            (b"\xef\xbb\xbf {}", Some(true)),
            (b"", Some(false)),
            (b"  ", Some(false)),
            (b"\xef", Some(false)),
            (b"\xef\xbb", Some(false)),
            (b"\xef\xbb\xbf", Some(false)),
            (b"\xef\xbb{", None),
            (b"<html>{", None),
            (b"data: {}", None),
            (b"\0\0\0\0\x02{}", None),
            (b"\x1f", Some(false)),
            (b"\x1f{", None),
            (b"\x1f\x8bnot gzip despite its header", None),
        ] {
            assert_eq!(begins_as_json(text), json, "{text:?}");
        }
        for (text, json) in [(&b"\n{\"a\":1}"[..], Some(true)), (b"<html>", None), (b"", Some(false))] {
            let sent = gzip(text);
            assert_eq!(begins_as_json(&sent), json, "{text:?}");
            for length in 0..10 {
                assert_eq!(begins_as_json(&sent[..length]), Some(false), "{length} bytes of the frame are too few");
            }
        }
    }
}
