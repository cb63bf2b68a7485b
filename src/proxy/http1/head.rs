//! The head of an answer, and what it says of what follows (RFC 9112 §4, §6.3, §9.3).

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header, response};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::rest::Rest;

/// How many lines a head may have.
const LINES: usize = 256;

/// How long a head may be.
const LONGEST: usize = 256 << 10;

/// A head, and what it says of the connection.
pub(super) struct Head {
    pub(super) parts: response::Parts,
    /// What follows.
    pub(super) rest: Rest,
    /// Whether the server takes another request after this answer.
    pub(super) persists: bool,
}

/// Reads heads, one request's after the other's.
#[derive(Default)]
pub(super) struct Reader {
    /// Whether the request was a HEAD.
    pub(super) of_head: bool,
    lines: Vec<(Range<usize>, Range<usize>)>,
}

/// What was found where.
struct Outline {
    length: usize,
    status: StatusCode,
    /// Only where it is not the usual one.
    reason: Option<Range<usize>>,
    version: Version,
}

impl Reader {
    /// The next head, if all of it is there. Its headers go into `spare`, which is empty.
    pub(super) fn read(&mut self, inbox: &mut BytesMut, spare: &Cell<HeaderMap>) -> io::Result<Option<Head>> {
        if inbox.is_empty() {
            return Ok(None);
        }
        let Some(outline) = self.outline(inbox)? else {
            return if inbox.len() > LONGEST { Err(invalid("a head that is too long")) } else { Ok(None) };
        };
        let text = inbox.split_to(outline.length).freeze();
        let mut parts = Response::new(()).into_parts().0;
        (parts.status, parts.version) = (outline.status, outline.version);
        parts.headers = spare.take();
        if let Some(reason) = outline.reason.and_then(|reason| ReasonPhrase::try_from(text.slice(reason)).ok()) {
            parts.extensions.insert(reason);
        }
        let said = self.collect(&text, &mut parts.headers)?;
        let persists = said.persists.unwrap_or(parts.version == Version::HTTP_11);
        let rest = self.rest(&said, &mut parts)?;
        Ok(Some(Head { parts, rest, persists }))
    }

    /// Where everything is. Apart from taking it, because what is looked at cannot be taken at the same time.
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "parts of the inbox lie in it; to be replaced by what needs no addresses"
    )]
    fn outline(&mut self, inbox: &[u8]) -> io::Result<Option<Outline>> {
        let place = |part: &[u8]| {
            let start = part.as_ptr().addr() - inbox.as_ptr().addr();
            start..start + part.len()
        };
        let mut lines = [const { MaybeUninit::uninit() }; LINES];
        let mut head = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, inbox, &mut lines);
        let Status::Complete(length) = parsed.map_err(|error| invalid(&error.to_string()))? else { return Ok(None) };
        let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or_else(|| invalid("a status that is none"))?;
        let reason = head.reason.filter(|reason| Some(*reason) != status.canonical_reason());
        let version = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
        self.lines.clear();
        self.lines.extend(head.headers.iter().map(|line| (place(line.name.as_bytes()), place(line.value))));
        Ok(Some(Outline { length, status, reason: reason.map(|reason| place(reason.as_bytes())), version }))
    }

    fn collect(&self, text: &Bytes, headers: &mut HeaderMap) -> io::Result<Said> {
        let mut said = Said::default();
        headers.reserve(self.lines.len());
        for (name, value) in &self.lines {
            let name = text.get(name.clone()).unwrap_or_default();
            let name = HeaderName::from_bytes(name).map_err(|error| invalid(&error.to_string()))?;
            let value = HeaderValue::from_maybe_shared(text.slice(value.clone()));
            let value = value.map_err(|error| invalid(&error.to_string()))?;
            said.hear(&name, &value)?;
            headers.append(name, value);
        }
        Ok(said)
    }

    fn rest(&self, said: &Said, parts: &mut response::Parts) -> io::Result<Rest> {
        match parts.status {
            StatusCode::SWITCHING_PROTOCOLS => return Ok(Rest::Left),
            status if status.is_informational() => return Ok(Rest::Ended),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => return Ok(Rest::Ended),
            _ if self.of_head => return Ok(Rest::Ended),
            _ => {}
        }
        match (said.chunked, said.length) {
            (Some(_), _) if parts.version == Version::HTTP_10 => Err(invalid("a transfer coding in HTTP/1.0")),
            (Some(chunked), length) => {
                // A length beside it is a trap for whoever believes it.
                length.and_then(|_| parts.headers.remove(header::CONTENT_LENGTH));
                Ok(if chunked { Rest::chunked() } else { Rest::Connection })
            }
            (None, Some(length)) => {
                if said.repeats_length {
                    parts.headers.insert(header::CONTENT_LENGTH, length.into());
                }
                Ok(Rest::of(length))
            }
            (None, None) => Ok(Rest::Connection),
        }
    }
}

/// What the lines say of the message itself.
#[derive(Default)]
struct Said {
    persists: Option<bool>,
    /// Whether the last transfer coding is the chunked one; `None` without any.
    chunked: Option<bool>,
    length: Option<u64>,
    repeats_length: bool,
}

impl Said {
    fn hear(&mut self, name: &HeaderName, value: &HeaderValue) -> io::Result<()> {
        match *name {
            header::CONNECTION => {
                let lists = |wanted: &str| items(value).any(|item| item.eq_ignore_ascii_case(wanted.as_bytes()));
                if lists("close") {
                    self.persists = Some(false);
                } else if lists("keep-alive") {
                    self.persists.get_or_insert(true);
                }
            }
            header::TRANSFER_ENCODING => {
                self.chunked = items(value).last().map(|last| last.eq_ignore_ascii_case(b"chunked"));
            }
            header::CONTENT_LENGTH => {
                for item in items(value) {
                    self.hear_length(number(item).ok_or_else(|| invalid("a length that is none"))?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn hear_length(&mut self, length: u64) -> io::Result<()> {
        self.repeats_length = self.length.is_some();
        if *self.length.get_or_insert(length) == length { Ok(()) } else { Err(invalid("two different lengths")) }
    }
}

/// The members of a list (RFC 9110 §5.6.1).
fn items(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Digits and nothing else: `+1` is no length.
fn number(text: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    text.iter().try_fold(0, add).filter(|_| !text.is_empty())
}

/// What came is not HTTP.
pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
