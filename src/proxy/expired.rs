//! Whether an answer says that the token is dead. Usually its head tells; where only a small JSON body can, that is
//! read ahead and passed on unchanged all the same.

use std::io::Read;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use super::answer::Arrived;
use crate::token::usage::{Usage, Verdict};

/// The longest body that is looked into, as sent and decoded.
const MOST: usize = 64 << 10;

/// How long the look may hold an answer up.
const PATIENCE: Duration = Duration::from_millis(250);

/// Whether this answer asks for another token.
pub(crate) async fn is_expired(usage: &dyn Usage, answer: &mut Arrived) -> bool {
    match usage.verdict(answer.head.status, &answer.head.headers) {
        Verdict::Accepted => false,
        Verdict::Expired => true,
        Verdict::AskBody => body_says_expired(usage, answer).await,
    }
}

async fn body_says_expired(usage: &dyn Usage, answer: &mut Arrived) -> bool {
    let head = &answer.head;
    let coding = coding(&head.headers);
    let too_long = answer.body.length().is_some_and(|length| length > MOST as u64);
    if too_long || coding == Coding::Unknown || !is_json(&head.headers) {
        return false;
    }
    let mut text = Vec::new();
    let reading = async {
        while let Some(frame) = answer.body.read_ahead().await {
            text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            if text.len() > MOST {
                return false;
            }
        }
        true
    };
    let whole = tokio::time::timeout(PATIENCE, reading).await.unwrap_or(false);
    let decoded = whole.then(|| decoded(coding, text)).flatten();
    decoded.is_some_and(|text| usage.body_says_expired(head.status, &head.headers, &text))
}

/// An encoding that can be looked into: the caller's gzip, or none.
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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Plain,
    Gzip,
    Unknown,
}

fn coding(headers: &HeaderMap) -> Coding {
    match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None => Coding::Plain,
        Some(name) if name.eq_ignore_ascii_case(b"identity") => Coding::Plain,
        Some(name) if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => Coding::Gzip,
        Some(_) => Coding::Unknown,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().to_ascii_lowercase().contains("json")
}

fn decoded(coding: Coding, text: Vec<u8>) -> Option<Vec<u8>> {
    match coding {
        Coding::Plain => Some(text),
        Coding::Unknown => None,
        Coding::Gzip => {
            let mut decoded = Vec::new();
            let reader = flate2::read::MultiGzDecoder::new(&text[..]);
            reader.take((MOST as u64).saturating_add(1)).read_to_end(&mut decoded).ok()?;
            (decoded.len() <= MOST).then_some(decoded)
        }
    }
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
        assert_eq!(decoded(Coding::Gzip, gzip(b"{}")).unwrap(), b"{}");
        assert_eq!(decoded(Coding::Gzip, gzip(&vec![b' '; MOST + 1])), None);
        assert_eq!(decoded(Coding::Gzip, b"{}".to_vec()), None);
        assert_eq!(decoded(Coding::Unknown, b"{}".to_vec()), None);
    }

    #[test]
    fn only_encodings_that_can_be_read_are_asked_for() {
        for (sent, asked) in [
            (None, "identity"),
            (Some("br, gzip;q=0.5"), "gzip"),
            (Some("GZIP"), "gzip"),
            (Some("br"), "identity"),
            (Some("gzip;q=0"), "identity"),
            (Some("gzip; q=0.0"), "identity"),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(sent.map(|sent| (header::ACCEPT_ENCODING, HeaderValue::from_static(sent))));
            assert_eq!(readable_encoding(&headers), asked, "{sent:?}");
        }
    }

    #[test]
    fn json_is_known_by_its_type() {
        for (kind, json) in
            [("application/json; charset=utf-8", true), ("application/problem+JSON", true), ("text/html", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            assert_eq!(is_json(&headers), json, "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
