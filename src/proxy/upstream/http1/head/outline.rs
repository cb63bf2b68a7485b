//! Where the parts of a head stand.

use std::mem::MaybeUninit;
use std::ops::Range;

use http::{StatusCode, Version};
use httparse::{Error, Header, ParserConfig, Status};

/// Heads with up to so many lines need no room of their own.
const FEW: usize = 128;

/// Where the names and values of a head stand.
pub(super) type Lines = Vec<(Range<usize>, Range<usize>)>;

/// What was found where.
pub(super) struct Outline {
    /// How long the head is.
    pub(super) length: usize,
    /// Its status.
    pub(super) status: StatusCode,
    /// Only where it is not the usual one.
    pub(super) reason: Option<Range<usize>>,
    /// What its server speaks.
    pub(super) version: Version,
}

/// Looks for the parts of a head as it should be written, with not too many lines; `None` while its end is not there.
/// Apart from taking them, because what is looked at cannot be taken at the same time.
pub(super) fn outline(text: &[u8], lines: &mut Lines) -> Result<Option<Outline>, Error> {
    parse(text, &mut [const { MaybeUninit::uninit() }; FEW], lines)
}

/// The same with room for so many lines.
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
    // The library gives an empty one that stands nowhere, where there is none or it holds bytes beyond ASCII.
    let reason = head.reason.filter(|reason| !reason.is_empty() && Some(*reason) != status.canonical_reason());
    let version = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    lines.clear();
    lines.extend(head.headers.iter().map(|line| (place(text, line.name.as_bytes()), place(text, line.value))));
    Ok(Some(Outline { length, status, reason: reason.map(|reason| place(text, reason.as_bytes())), version }))
}

/// Where a part of a text stands. What is empty, or no part of it, stands at its beginning and is empty.
fn place(text: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.first().and_then(|first| text.element_offset(first));
    start.map_or(0..0, |start| start..start.saturating_add(part.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_where_it_stands_and_nothing_else_anywhere() {
        let text = b"hello";
        assert_eq!((place(text, &text[1..3]), place(text, &text[..])), (1..3, 0..5));
        for part in [&b""[..], &text[2..2], b"ell", b"other"] {
            assert_eq!(place(text, part), 0..0);
        }
    }
}
