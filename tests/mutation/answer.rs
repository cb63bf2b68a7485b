//! A strict reader of responses.

use crate::reading::{End, Field, Head, chunked, head, items, length, measured};

/// How many interim answers, how many bytes of them, and how many lines in a head are certainly taken.
const AHEAD: usize = 16;
const AHEAD_BYTES: usize = 64 << 10;
const LINES: usize = 256;

/// How many trailers, and of what total length, must be accepted.
const TRAILERS: usize = 64;
const LONG: usize = 16_000;

/// A response that was read.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
    pub end: End,
    /// The end of the connection ends its body.
    pub closes: bool,
    /// Everything conforms to the grammar.
    pub tidy: bool,
    /// It conforms and is small, so it must be accepted.
    pub strict: bool,
    /// The framing of its body is ambiguous.
    pub vague: bool,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut own = self.fields.iter().filter(|(own, _)| own == name.as_bytes());
        own.next().map(|(_, value)| value.as_slice())
    }

    /// The code of an error from bearerd.
    pub fn code(&self) -> Option<String> {
        let said = String::from_utf8_lossy(self.field("proxy-status")?).into_owned();
        said.strip_prefix("bearerd;")?.split('"').nth(1).map(str::to_owned)
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = |(name, value): &Field| format!("  {}: {}\n", name.escape_ascii(), value.escape_ascii());
        let lines: String = self.fields.iter().map(line).collect();
        write!(out, "{} {:?}\n{lines}  \"{}\"", self.status, self.end, self.body.escape_ascii())
    }
}

/// Reads the response to a request of this method. `Err` if there is none.
pub fn answer(bytes: &[u8], method: &[u8]) -> Result<Answer, End> {
    let (mut at, mut strict, mut tidy, mut vague) = (0, true, true, false);
    for count in 0.. {
        let read = head(&bytes[at..], true)?;
        let (status, right) = status(&read.start).ok_or(End::Broken)?;
        tidy &= !read.loose && right;
        strict &= count <= AHEAD && at <= AHEAD_BYTES && read.fields.len() <= LINES;
        vague |= read.vague;
        at += read.used;
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let unframed = |end| if vague { Ok(plain(&read, status, true)) } else { Err(end) };
        let mut answer = framed(&read, &bytes[at..], method, status).or_else(unframed)?;
        answer.vague |= vague;
        answer.tidy &= tidy;
        answer.strict &= strict && answer.tidy && status < 600 && status != 101;
        if let End::Whole(used) = answer.end {
            answer.end = End::Whole(at + used);
        }
        return Ok(answer);
    }
    Err(End::Broken)
}

/// The status, and whether the whole line conforms.
fn status(line: &[u8]) -> Option<(u16, bool)> {
    let (version, rest) = line.split_at(line.iter().position(|byte| matches!(byte, b' ' | b'\t'))?);
    let right = matches!(version, b"HTTP/1.1" | b"HTTP/1.0");
    let known = [&b"HTTP/1.1"[..], b"HTTP/1.0", b"HTTP/2", b"HTTP/3"];
    known.iter().find(|known| version.eq_ignore_ascii_case(known))?;
    let (digits, reason) = rest.trim_ascii_start().split_at_checked(3)?;
    let text = reason.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
    let apart = rest.len() == digits.len() + reason.len() + 1 && (reason.is_empty() || reason.starts_with(b" "));
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let status = digits?.parse().ok().filter(|status| *status >= 100)?;
    Some((status, right && text && apart && rest.starts_with(b" ")))
}

/// A response without a body.
fn plain(head: &Head, status: u16, vague: bool) -> Answer {
    let (fields, body, end) = (head.fields.clone(), Vec::new(), End::Whole(0));
    Answer { status, fields, body, end, closes: false, tidy: true, strict: true, vague }
}

fn framed(head: &Head, rest: &[u8], method: &[u8], status: u16) -> Result<Answer, End> {
    let said: Vec<_> = head.all(b"transfer-encoding").flat_map(items).collect();
    let means = |coding: &&[u8]| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity");
    let codings: Vec<_> = said.iter().copied().filter(means).collect();
    let old = !head.start.starts_with(b"HTTP/1.1");
    let mut answer = plain(head, status, old && !codings.is_empty());
    answer.tidy = codings.len() == said.len() && said.len() < 2;
    let length = length(head);
    if method == b"HEAD" || status == 204 || status == 304 || status < 200 {
        answer.strict = codings.is_empty() && length.is_ok();
        return Ok(answer);
    }
    match (&codings[..], length) {
        ([], Ok(Some(length))) => (answer.body, answer.end) = measured(rest, length),
        ([], Ok(None)) => (answer.body, answer.closes) = (rest.to_vec(), true),
        ([..], length) if codings.iter().all(|coding| coding.eq_ignore_ascii_case(b"chunked")) => {
            answer.tidy &= length == Ok(None);
            let (body, trailers, end) = chunked(rest, true);
            answer.tidy &= chunked(rest, false).2 == end;
            answer.strict &= trailers.len() <= TRAILERS && size(&trailers) <= LONG;
            (answer.body, answer.end) = (body, end);
            answer.fields.extend(trailers);
        }
        _ => return Err(End::Broken),
    }
    Ok(answer)
}

fn size(fields: &[Field]) -> usize {
    fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum()
}

#[test]
fn responses_are_read_as_the_rfc_says() {
    let read = |text: &str| answer(text.as_bytes(), b"GET").map(|it| (it.status, it.body.len(), it.end, it.strict));
    assert_eq!(
        read("HTTP/1.1 103 H\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\n\r\nokX"),
        Ok((200, 2, End::Whole(55), true))
    );
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"), Ok((200, 2, End::Cut, true)));
    assert_eq!(read("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), Ok((200, 2, End::Whole(37), false)));
    for text in ["HTTP/1.1 20\r\n\r\n", "HTTP/1.1 200 O\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "ICY 200\r\n\r\n"]
    {
        assert_eq!(read(text), Err(End::Broken), "{text}");
    }
}
