//! Finds where the parts of a response head are.

use std::mem::MaybeUninit;
use std::ops::Range;

use http::{StatusCode, Version};
use httparse::{Error, Header, ParserConfig, Status};

/// Heads with up to this many lines are parsed without an allocation.
const STACK_LINES: usize = 128;

/// The ranges of header names and values.
pub(super) type Lines = Vec<(Range<usize>, Range<usize>)>;

/// The parts of a response head.
pub(super) struct Outline {
    /// The length of the head.
    pub(super) length: usize,
    pub(super) status: StatusCode,
    /// The range of the reason phrase, if it is not the standard one.
    pub(super) reason: Option<Range<usize>>,
    pub(super) version: Version,
}

/// Parses a well-formed head with a moderate number of lines; `None` if it is incomplete. Returns ranges because the buffer,
/// while borrowed by the parser, cannot be split.
pub(super) fn outline(text: &[u8], lines: &mut Lines) -> Result<Option<Outline>, Error> {
    parse(text, &mut [const { MaybeUninit::uninit() }; STACK_LINES], lines)
}

/// Does the same for up to `most` lines.
pub(super) fn long_outline(text: &[u8], most: usize, lines: &mut Lines) -> Result<Option<Outline>, Error> {
    parse(text, &mut vec![MaybeUninit::uninit(); most], lines)
}

fn parse<'a>(
    text: &'a [u8],
    room: &mut [MaybeUninit<Header<'a>>],
    lines: &mut Lines,
) -> Result<Option<Outline>, Error> {
    let mut head = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, text, room)?;
    let Status::Complete(length) = parsed else { return Ok(None) };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Error::Status)?;
    // httparse returns an empty reason, outside of the text, if there is none or it is not ASCII.
    let reason = head.reason.filter(|reason| !reason.is_empty() && Some(*reason) != status.canonical_reason());
    let version = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    lines.clear();
    lines.extend(head.headers.iter().map(|line| (range_of(text, line.name.as_bytes()), range_of(text, line.value))));
    Ok(Some(Outline { length, status, reason: reason.map(|reason| range_of(text, reason.as_bytes())), version }))
}

/// The range of a part within the text; `0..0` if the part is empty or outside of it.
fn range_of(text: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.first().and_then(|first| text.element_offset(first));
    start.map_or(0..0, |start| start..start.saturating_add(part.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_finds_only_slices_of_the_same_text() {
        let text = b"hello";
        assert_eq!((range_of(text, &text[1..3]), range_of(text, &text[..])), (1..3, 0..5));
        for part in [&b""[..], &text[2..2], b"ell", b"other"] {
            assert_eq!(range_of(text, part), 0..0);
        }
    }
}
