//! Reads a response head (RFC 9112 §4, §6.3, §9.3).
//!
//! [`mod@outline`] finds the parts of a well-formed head, [`lenient`] repairs others, and [`framing`] determines how the body is
//! framed.

pub(super) mod framing;
pub(super) mod lenient;
mod outline;

use super::malformed::invalid;
use std::cell::Cell;
use std::io;
use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header, response};
use hyper::ext::ReasonPhrase;

use self::framing::FramingHeaders;
use self::outline::{Lines, Outline, long_outline, outline};
use super::body::BodyFraming;

/// The longest response head: the same limit as curl's.
pub(super) const MAX_HEAD: usize = 300 << 10;

/// A response head, and what it says about the connection.
pub(super) struct Head {
    pub(super) parts: response::Parts,
    /// How the body is framed.
    pub(super) rest: BodyFraming,
    /// Whether the server accepts another request after this response.
    pub(super) keep_alive: bool,
    /// The length in bytes.
    pub(super) length: usize,
}

/// Reads response heads, one request after another.
#[derive(Default)]
pub(super) struct HeadReader {
    /// Whether the request method was HEAD.
    pub(super) of_head: bool,
    lines: Lines,
    /// How many bytes of an incomplete head were searched for its end.
    seen: usize,
}

impl HeadReader {
    /// Prepares for the response to another request.
    pub(super) fn begin(&mut self, of_head: bool) {
        (self.of_head, self.seen) = (of_head, 0);
    }

    /// Reads the next head, if it is complete. Its headers go into `cached_headers`, which must be empty.
    pub(super) fn read(&mut self, buffer: &mut BytesMut, cached_headers: &Cell<HeaderMap>) -> io::Result<Option<Head>> {
        if buffer.is_empty() {
            return Ok(None);
        }
        let Some((text, outline)) = self.take(buffer)? else {
            return if buffer.len() > MAX_HEAD { Err(invalid("head larger than 300 KiB")) } else { Ok(None) };
        };
        let mut parts = Response::new(()).into_parts().0;
        (parts.status, parts.version) = (outline.status, outline.version);
        parts.headers = cached_headers.take();
        if let Some(reason) = outline.reason.and_then(|reason| ReasonPhrase::try_from(part(&text, reason)).ok()) {
            parts.extensions.insert(reason);
        } else if parts.status.canonical_reason().is_none() {
            parts.extensions.insert(ReasonPhrase::from_static(b""));
        }
        let framing = self.collect(&text, parts.status, &mut parts.headers)?;
        let current = parts.version == Version::HTTP_11;
        let (rest, framed) = self.rest(&framing, parts.status)?;
        // If the framing is ambiguous, or does not exist in its version, the response is read and the connection closes after it.
        let keep_alive = framing.keep_alive.unwrap_or(current) && framed && (current || !framing.chunked);
        framing.normalize_length(parts.status, &mut parts.headers);
        Ok(Some(Head { length: text.len(), parts, rest, keep_alive }))
    }

    /// Takes a complete head from the buffer and finds its parts. A head that arrives in pieces is parsed again only once its end
    /// is there, since each attempt starts from the beginning.
    fn take(&mut self, buffer: &mut BytesMut) -> io::Result<Option<(Bytes, Outline)>> {
        if self.seen > 0 && !has_empty_line(buffer.get(self.seen.saturating_sub(2)..).unwrap_or_default()) {
            self.seen = buffer.len();
            return Ok(None);
        }
        self.seen = 0;
        match outline(buffer, &mut self.lines) {
            Ok(Some(outline)) => {
                let text = buffer.split_to(outline.length.min(buffer.len())).freeze();
                return Ok(Some((text, outline)));
            }
            Ok(None) => {}
            Err(_) => {
                if let Some(written) = lenient::head(buffer)? {
                    let outline = long_outline(&written.text, written.lines, &mut self.lines);
                    let outline = outline.map_err(|error| invalid(&error.to_string()))?;
                    buffer.advance(written.length.min(buffer.len()));
                    return Ok(outline.map(|outline| (written.text.into(), outline)));
                }
            }
        }
        self.seen = buffer.len();
        Ok(None)
    }

    fn collect(&self, text: &Bytes, status: StatusCode, headers: &mut HeaderMap) -> io::Result<FramingHeaders> {
        let mut framing = FramingHeaders::default();
        let interim = status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS;
        headers.try_reserve(self.lines.len()).map_err(|error| invalid(&error.to_string()))?;
        for (name, value) in &self.lines {
            let name = text.get(name.clone()).unwrap_or_default();
            let name = HeaderName::from_bytes(name).map_err(|error| invalid(&error.to_string()))?;
            let value = HeaderValue::from_maybe_shared(part(text, value.clone()));
            let value = value.map_err(|error| invalid(&error.to_string()))?;
            // An interim response has no body, so its framing headers mean nothing (RFC 9112 §6.3).
            if interim && (name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING) {
                continue;
            }
            framing.read(&name, &value)?;
            headers.try_append(name, value).map_err(|error| invalid(&error.to_string()))?;
        }
        Ok(framing)
    }

    /// Determines the framing of the body, and whether it is unambiguous.
    fn rest(&self, framing: &FramingHeaders, status: StatusCode) -> io::Result<(BodyFraming, bool)> {
        match status {
            StatusCode::SWITCHING_PROTOCOLS => return Ok((BodyFraming::Tunnel, true)),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => return Ok((BodyFraming::Ended, true)),
            _ if self.of_head || status.is_informational() => return Ok((BodyFraming::Ended, true)),
            _ => framing.is_readable()?,
        }
        Ok(match framing.length {
            length if framing.chunked => (BodyFraming::chunked(), length.is_none()),
            Some(length) => (BodyFraming::of(length), true),
            None => (BodyFraming::Connection, true),
        })
    }
}

/// A slice of a text; empty if the range is out of bounds.
fn part(text: &Bytes, place: Range<usize>) -> Bytes {
    if text.get(place.clone()).is_some() { text.slice(place) } else { Bytes::new() }
}

/// Whether the text may contain an empty line, the end of a head.
fn has_empty_line(text: &[u8]) -> bool {
    text.array_windows().any(|pair| matches!(pair, b"\n\n" | b"\n\r"))
}

#[cfg(test)]
mod tests;
