//! What follows the head of an answer (RFC 9112 §6, §7).

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::{EMPTY_HEADER, Status};
use hyper::body::{Frame, SizeHint};

use super::head::lenient;
use super::malformed::invalid;

/// How long the line with a chunk's size may be.
const LONGEST: usize = 16 << 10;

/// How long the trailers may be.
const LONGEST_TRAILERS: usize = 64 << 10;

/// So many trailers need no room of their own.
const FEW: usize = 16;

/// What is left of an answer.
pub(super) enum BodyFraming {
    /// Nothing.
    Ended,
    /// The connection has left HTTP.
    Left,
    /// So many bytes, more than none.
    Length(u64),
    /// All that comes.
    Connection,
    /// Chunks, then trailers.
    Chunked(Chunk),
}

/// What comes next.
pub(super) enum Chunk {
    /// The line with a chunk's size.
    Size,
    /// So many bytes of it, more than none.
    Data(u64),
    /// The end of its line.
    End,
    /// Trailers, perhaps none.
    Trailers,
}

impl BodyFraming {
    /// So many bytes.
    pub(super) fn of(length: u64) -> Self {
        if length == 0 { Self::Ended } else { Self::Length(length) }
    }

    /// Chunks.
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunk::Size)
    }

    /// Whether there is nothing left.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Whether it ends where the connection ends.
    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::Connection)
    }

    /// How many bytes may come, if that is known.
    pub(super) fn most(&self) -> u64 {
        if let Self::Length(left) = self { *left } else { u64::MAX }
    }

    /// How long the body still is.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ended | Self::Left => SizeHint::with_exact(0),
            Self::Length(left) => SizeHint::with_exact(*left),
            Self::Connection | Self::Chunked(_) => SizeHint::default(),
        }
    }

    /// The next part, if it is there.
    pub(super) fn take(&mut self, inbox: &mut BytesMut) -> io::Result<Option<Frame<Bytes>>> {
        match self {
            Self::Ended | Self::Left => Ok(None),
            _ if inbox.is_empty() => Ok(None),
            Self::Connection => Ok(Some(Frame::data(inbox.split().freeze()))),
            Self::Length(left) => {
                let data = up_to(*left, inbox);
                *self = Self::of(left.saturating_sub(data.len() as u64));
                Ok(Some(Frame::data(data)))
            }
            Self::Chunked(chunk) => match chunk.take(inbox)? {
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
    fn take(&mut self, inbox: &mut BytesMut) -> io::Result<Piece> {
        loop {
            match self {
                Self::Size => match size(inbox)? {
                    Status::Partial => return missing(inbox, LONGEST),
                    Status::Complete((line, size)) => {
                        inbox.advance(line.min(inbox.len()));
                        *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                    }
                },
                Self::Data(_) if inbox.is_empty() => return Ok(Piece::Missing),
                Self::Data(left) => {
                    let data = up_to(*left, inbox);
                    *left = left.saturating_sub(data.len() as u64);
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(Piece::Data(data));
                }
                Self::End => match &**inbox {
                    [b'\r', b'\n', ..] => {
                        inbox.advance(2);
                        *self = Self::Size;
                    }
                    [b'\n', ..] => {
                        inbox.advance(1);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(Piece::Missing),
                    _ => return Err(invalid("chunk longer than its size")),
                },
                Self::Trailers => return trailers(inbox),
            }
        }
    }
}

/// The line's length, and the size that it tells. The library takes no digits for 0, any byte for an extension, and no LF
/// alone for the line's end.
fn size(inbox: &[u8]) -> io::Result<Status<(usize, u64)>> {
    let none = || invalid("chunk without a size");
    let digits = inbox.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (number, behind) = inbox.split_at_checked(digits).unwrap_or_default();
    let follows = behind.first().is_none_or(|byte| matches!(byte, b' ' | b'\t' | b';' | b'\r' | b'\n'));
    if !follows || (number.is_empty() && !behind.is_empty()) {
        return Err(none());
    }
    let Some(end) = behind.iter().position(|byte| *byte == b'\n') else { return Ok(Status::Partial) };
    let extension = behind.get(..end).unwrap_or_default().trim_ascii_end();
    let spaces = extension.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let extension = extension.get(spaces..).unwrap_or_default();
    let size = std::str::from_utf8(number).ok().and_then(|number| u64::from_str_radix(number, 16).ok());
    let whole = extension.first().is_none_or(|first| *first == b';') && !extension.contains(&b'\r');
    let size = size.filter(|_| whole).ok_or_else(none)?;
    Ok(Status::Complete((digits.saturating_add(end).saturating_add(1), size)))
}

fn trailers(inbox: &mut BytesMut) -> io::Result<Piece> {
    let mut few = [EMPTY_HEADER; FEW];
    let (length, trailers) = match httparse::parse_headers(inbox, &mut few) {
        Ok(Status::Complete((length, lines))) => (length, collect(lines)?),
        Ok(Status::Partial) => return missing(inbox, LONGEST_TRAILERS),
        Err(_) => {
            let Some(written) = lenient::fields(inbox, Vec::new())? else { return missing(inbox, LONGEST_TRAILERS) };
            let mut many = vec![EMPTY_HEADER; written.lines];
            let parsed = httparse::parse_headers(&written.text, &mut many);
            let Ok(Status::Complete((_, lines))) = parsed else { return Err(invalid("malformed trailers")) };
            (written.length, collect(lines)?)
        }
    };
    inbox.advance(length.min(inbox.len()));
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

fn missing(inbox: &BytesMut, longest: usize) -> io::Result<Piece> {
    if inbox.len() > longest { Err(invalid("line too long")) } else { Ok(Piece::Missing) }
}

fn up_to(most: u64, inbox: &mut BytesMut) -> Bytes {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(inbox.len());
    inbox.split_to(length).freeze()
}

#[cfg(test)]
mod tests;
