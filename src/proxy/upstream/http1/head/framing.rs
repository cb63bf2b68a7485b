//! What a head says of its message: how the body ends, and whether the connection goes on (RFC 9112 §6, §9.3).

use std::io;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response};

use crate::proxy::upstream::http1::malformed::invalid;

/// What the lines of a head say of the message itself.
#[derive(Default)]
pub(crate) struct FramingHeaders {
    /// Whether the connection goes on, if that is said.
    pub(super) keep_alive: Option<bool>,
    /// Whether the body comes in chunks.
    pub(super) chunked: bool,
    /// How long the body is.
    pub(super) length: Option<u64>,
    unknown_coding: bool,
    repeats_length: bool,
}

impl FramingHeaders {
    /// Makes right what a whole head says, where somebody else has read it.
    pub(crate) fn settle(head: &mut response::Parts, of_head: bool) -> io::Result<()> {
        let mut said = Self::default();
        for (name, value) in &head.headers {
            said.hear(name, value)?;
        }
        if !(of_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)) {
            said.is_readable()?;
        }
        said.settle_length(head.status, &mut head.headers);
        Ok(())
    }

    /// One line of it.
    pub(super) fn hear(&mut self, name: &HeaderName, value: &HeaderValue) -> io::Result<()> {
        match *name {
            header::CONNECTION => {
                let lists = |wanted: &str| items(value).any(|item| item.eq_ignore_ascii_case(wanted.as_bytes()));
                if lists("close") {
                    self.keep_alive = Some(false);
                } else if lists("keep-alive") {
                    self.keep_alive.get_or_insert(true);
                }
            }
            header::TRANSFER_ENCODING => items(value).for_each(|coding| self.hear_coding(coding)),
            header::CONTENT_LENGTH => return self.hear_lengths(value),
            _ => {}
        }
        Ok(())
    }

    fn hear_coding(&mut self, coding: &[u8]) {
        if coding.eq_ignore_ascii_case(b"chunked") {
            if self.chunked {
                // Frameworks and the servers under them both say so, and one of them does so.
                self.keep_alive = Some(false);
            }
            self.chunked = true;
        } else if !coding.eq_ignore_ascii_case(b"identity") {
            self.unknown_coding = true;
        }
    }

    fn hear_lengths(&mut self, value: &HeaderValue) -> io::Result<()> {
        let before = self.length;
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

    /// Says the length once, or not at all where there is none to say: beside a coding it is a trap for whoever believes
    /// it, and an answer that never has a body has no length (RFC 9110 §8.6).
    pub(super) fn settle_length(&self, status: StatusCode, headers: &mut HeaderMap) {
        let Some(length) = self.length else { return };
        if self.chunked || status == StatusCode::NO_CONTENT || status.is_informational() {
            headers.remove(header::CONTENT_LENGTH);
        } else if self.repeats_length {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
    }

    /// Whether the body can be had as it was before it was coded. What is not asked for and cannot be undone must not be
    /// passed on without its label, and the label is for one connection.
    pub(super) fn is_readable(&self) -> io::Result<()> {
        if self.unknown_coding { Err(invalid("unsupported transfer coding")) } else { Ok(()) }
    }
}

/// The members of a list (RFC 9110 §5.6.1), of which empty ones are none.
fn items(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// Digits and nothing else: `+1` is no length.
fn number(text: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    text.iter().try_fold(0, add).filter(|_| !text.is_empty())
}
