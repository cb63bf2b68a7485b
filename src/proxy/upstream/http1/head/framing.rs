//! What the headers say about the body's framing and the connection (RFC 9112 §6, §9.3).

use std::io;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response};

use crate::proxy::upstream::http1::malformed::invalid;

/// The framing headers of a message.
#[derive(Default)]
pub(crate) struct FramingHeaders {
    /// Whether the connection stays open, if a header says so.
    pub(super) keep_alive: Option<bool>,
    pub(super) chunked: bool,
    /// The Content-Length.
    pub(super) length: Option<u64>,
    unknown_coding: bool,
    repeats_length: bool,
}

impl FramingHeaders {
    /// Checks the framing headers of a head that h2 has read, and normalizes its Content-Length.
    pub(crate) fn normalize(head: &mut response::Parts, of_head: bool) -> io::Result<()> {
        let mut framing = Self::default();
        for (name, value) in &head.headers {
            framing.read(name, value)?;
        }
        if !(of_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)) {
            framing.is_readable()?;
        }
        framing.normalize_length(head.status, &mut head.headers);
        Ok(())
    }

    /// Reads one header line.
    pub(super) fn read(&mut self, name: &HeaderName, value: &HeaderValue) -> io::Result<()> {
        match *name {
            header::CONNECTION => {
                for item in items(value) {
                    if item.eq_ignore_ascii_case(b"close") {
                        self.keep_alive = Some(false);
                    } else if item.eq_ignore_ascii_case(b"keep-alive") {
                        self.keep_alive.get_or_insert(true);
                    }
                }
            }
            header::TRANSFER_ENCODING => items(value).for_each(|coding| self.read_coding(coding)),
            header::CONTENT_LENGTH => return self.read_lengths(value),
            _ => {}
        }
        Ok(())
    }

    fn read_coding(&mut self, coding: &[u8]) {
        if coding.eq_ignore_ascii_case(b"chunked") {
            if self.chunked {
                // A framework and its server have both written the header, but only one of them has applied the coding.
                self.keep_alive = Some(false);
            }
            self.chunked = true;
        } else if !coding.eq_ignore_ascii_case(b"identity") {
            self.unknown_coding = true;
        }
    }

    fn read_lengths(&mut self, value: &HeaderValue) -> io::Result<()> {
        let before = self.length;
        if before.is_none()
            && let Some(length) = number(value.as_bytes())
        {
            self.length = Some(length);
            return Ok(());
        }
        self.repeats_length |= before.is_some() || value.as_bytes().contains(&b',');
        let mut lengths = items(value).peekable();
        if lengths.peek().is_none() {
            return Err(invalid("invalid Content-Length"));
        }
        for item in lengths {
            let length = number(item).ok_or_else(|| invalid("invalid Content-Length"))?;
            if *self.length.get_or_insert(length) != length {
                return Err(invalid("conflicting Content-Length values"));
            }
        }
        Ok(())
    }

    /// Writes Content-Length once, or removes it. Beside a transfer coding it invites request smuggling, and a response that
    /// cannot have a body has no length (RFC 9110 §8.6).
    pub(super) fn normalize_length(&self, status: StatusCode, headers: &mut HeaderMap) {
        let Some(length) = self.length else { return };
        if self.chunked || status == StatusCode::NO_CONTENT || status.is_informational() {
            headers.remove(header::CONTENT_LENGTH);
        } else if self.repeats_length {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
    }

    /// Fails if the body has an unknown transfer coding. It cannot be decoded, and the header that names the coding must not be
    /// forwarded, because it applies to one connection only.
    pub(super) fn is_readable(&self) -> io::Result<()> {
        if self.unknown_coding { Err(invalid("unsupported transfer coding")) } else { Ok(()) }
    }
}

/// The non-empty members of a list (RFC 9110 §5.6.1).
fn items(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// Parses digits only: unlike Rust's parser, it rejects `+1`.
fn number(text: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    text.iter().try_fold(0, add).filter(|_| !text.is_empty())
}
