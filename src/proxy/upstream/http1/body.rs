//! Reads a response body (RFC 9112 §6, §7).

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::{EMPTY_HEADER, Status};
use hyper::body::{Frame, SizeHint};

use super::head::lenient;
use super::malformed::invalid;

/// The longest chunk-size line.
const MAX_SIZE_LINE: usize = 16 << 10;

/// The longest trailer section.
const MAX_TRAILERS: usize = 64 << 10;

/// This many trailers fit on the stack.
const STACK_TRAILERS: usize = 16;

/// How the rest of the response is framed.
pub(super) enum BodyFraming {
    /// The response has ended.
    Ended,
    /// The connection has switched to another protocol.
    Tunnel,
    /// This many bytes are left, at least one.
    Length(u64),
    /// Everything until the connection closes.
    Connection,
    /// Chunks, then trailers.
    Chunked(Chunk),
}

/// The part of a chunked body that comes next.
pub(super) enum Chunk {
    /// A chunk-size line.
    Size,
    /// Chunk data: this many bytes, at least one.
    Data(u64),
    /// The line end after the data.
    End,
    /// The trailer section, which may be empty.
    Trailers,
}

impl BodyFraming {
    pub(super) fn of(length: u64) -> Self {
        if length == 0 { Self::Ended } else { Self::Length(length) }
    }

    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunk::Size)
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::Connection)
    }

    /// How many bytes may still come: no limit if the length is unknown.
    pub(super) fn most(&self) -> u64 {
        if let Self::Length(left) = self { *left } else { u64::MAX }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ended | Self::Tunnel => SizeHint::with_exact(0),
            Self::Length(left) => SizeHint::with_exact(*left),
            Self::Connection | Self::Chunked(_) => SizeHint::default(),
        }
    }

    /// Takes the next frame from the buffer, if it is complete.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Frame<Bytes>>> {
        match self {
            Self::Ended | Self::Tunnel => Ok(None),
            _ if buffer.is_empty() => Ok(None),
            Self::Connection => Ok(Some(Frame::data(buffer.split().freeze()))),
            Self::Length(left) => {
                let data = up_to(*left, buffer);
                *self = Self::of(left.saturating_sub(data.len() as u64));
                Ok(Some(Frame::data(data)))
            }
            Self::Chunked(chunk) => match chunk.take(buffer)? {
                Piece::Data(data) => Ok(Some(Frame::data(data))),
                Piece::Missing => Ok(None),
                Piece::Trailers(trailers) => {
                    *self = Self::Ended;
                    Ok((!trailers.is_empty()).then(|| Frame::trailers(trailers)))
                }
            },
        }
    }
}

enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    Missing,
}

impl Chunk {
    fn take(&mut self, buffer: &mut BytesMut) -> io::Result<Piece> {
        loop {
            match self {
                Self::Size => match size(buffer)? {
                    Status::Partial => return missing(buffer, MAX_SIZE_LINE),
                    Status::Complete((line, size)) => {
                        buffer.advance(line.min(buffer.len()));
                        *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                    }
                },
                Self::Data(_) if buffer.is_empty() => return Ok(Piece::Missing),
                Self::Data(left) => {
                    let data = up_to(*left, buffer);
                    *left = left.saturating_sub(data.len() as u64);
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(Piece::Data(data));
                }
                Self::End => match &**buffer {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        *self = Self::Size;
                    }
                    [b'\n', ..] => {
                        buffer.advance(1);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(Piece::Missing),
                    _ => return Err(invalid("chunk longer than its size")),
                },
                Self::Trailers => return trailers(buffer),
            }
        }
    }
}

/// Parses a chunk-size line: returns its length and the size. Not left to httparse, which reads a line without digits as 0,
/// accepts any byte in an extension, and rejects a bare LF.
fn size(buffer: &[u8]) -> io::Result<Status<(usize, u64)>> {
    let none = || invalid("chunk without a size");
    let digits = buffer.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (number, after) = buffer.split_at_checked(digits).unwrap_or_default();
    let follows = after.first().is_none_or(|byte| matches!(byte, b' ' | b'\t' | b';' | b'\r' | b'\n'));
    if !follows || (number.is_empty() && !after.is_empty()) {
        return Err(none());
    }
    let Some(end) = after.iter().position(|byte| *byte == b'\n') else { return Ok(Status::Partial) };
    let extension = after.get(..end).unwrap_or_default();
    // One CR belongs to the line end. Any other makes the line invalid.
    let extension = extension.strip_suffix(b"\r").unwrap_or(extension);
    let spaces = extension.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let extension = extension.get(spaces..).unwrap_or_default();
    let size = std::str::from_utf8(number).ok().and_then(|number| u64::from_str_radix(number, 16).ok());
    let whole = extension.first().is_none_or(|first| *first == b';') && !extension.contains(&b'\r');
    let size = size.filter(|_| whole).ok_or_else(none)?;
    Ok(Status::Complete((digits.saturating_add(end).saturating_add(1), size)))
}

fn trailers(buffer: &mut BytesMut) -> io::Result<Piece> {
    let mut few = [EMPTY_HEADER; STACK_TRAILERS];
    let (length, trailers) = match httparse::parse_headers(buffer, &mut few) {
        Ok(Status::Complete((length, lines))) => (length, collect(lines)?),
        Ok(Status::Partial) => return missing(buffer, MAX_TRAILERS),
        Err(_) => {
            let Some(written) = lenient::fields(buffer, Vec::new())? else { return missing(buffer, MAX_TRAILERS) };
            let mut many = vec![EMPTY_HEADER; written.lines];
            let parsed = httparse::parse_headers(&written.text, &mut many);
            let Ok(Status::Complete((_, lines))) = parsed else { return Err(invalid("malformed trailers")) };
            (written.length, collect(lines)?)
        }
    };
    buffer.advance(length.min(buffer.len()));
    Ok(Piece::Trailers(trailers))
}

fn collect(lines: &[httparse::Header<'_>]) -> io::Result<HeaderMap> {
    let mut trailers = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|error| invalid(&error.to_string()))?;
        let value = HeaderValue::from_bytes(line.value).map_err(|error| invalid(&error.to_string()))?;
        trailers.try_append(name, value).map_err(|error| invalid(&error.to_string()))?;
    }
    Ok(trailers)
}

fn missing(buffer: &BytesMut, limit: usize) -> io::Result<Piece> {
    if buffer.len() > limit { Err(invalid("line too long")) } else { Ok(Piece::Missing) }
}

fn up_to(most: u64, buffer: &mut BytesMut) -> Bytes {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
    buffer.split_to(length).freeze()
}

#[cfg(test)]
mod tests;
