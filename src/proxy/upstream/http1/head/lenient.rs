//! Lines that are not written as they should be, and that curl reads all the same: they are written anew, so that what
//! leaves is strict. What can only be a mistake is dropped, as browsers do; what frames a message is never guessed.

use std::io;

use http::{HeaderName, HeaderValue};

use crate::proxy::upstream::http1::malformed::invalid;

/// How many lines are read: as many as curl reads.
pub(in crate::proxy::upstream::http1) const LINES: usize = 5000;

/// What begins every head.
const PROTOCOL: &[u8] = b"HTTP/";

/// Lines written anew.
pub(in crate::proxy::upstream::http1) struct Rewritten {
    /// The lines, up to and with the empty one.
    pub(in crate::proxy::upstream::http1) text: Vec<u8>,
    /// How many.
    pub(in crate::proxy::upstream::http1) lines: usize,
    /// How long they were.
    pub(in crate::proxy::upstream::http1) length: usize,
}

/// A head; `None` while its end is not there.
pub(super) fn head(inbox: &[u8]) -> io::Result<Option<Rewritten>> {
    let empty = inbox.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let begun = inbox.get(empty..).unwrap_or_default();
    if !begun.iter().zip(PROTOCOL).all(|(byte, wanted)| byte.eq_ignore_ascii_case(wanted)) {
        return Err(invalid("not an HTTP/1 response"));
    }
    let Some(first) = whole_lines(begun).next() else { return Ok(None) };
    let text = status_line(trimmed(first))?;
    let rest = begun.get(first.len()..).unwrap_or_default();
    let skipped = empty.saturating_add(first.len());
    Ok(fields(rest, text)?.map(|fields| Rewritten { length: fields.length.saturating_add(skipped), ..fields }))
}

/// Lines of fields, written behind `text`, up to and with the empty line; `None` while that is not there.
pub(in crate::proxy::upstream::http1) fn fields(inbox: &[u8], text: Vec<u8>) -> io::Result<Option<Rewritten>> {
    let mut written = Rewritten { text, lines: 0, length: 0 };
    let mut kept = false;
    for line in whole_lines(inbox) {
        written.length = written.length.saturating_add(line.len());
        let content = trimmed(line);
        if content.is_empty() {
            written.text.extend_from_slice(b"\r\n");
            return Ok(Some(written));
        }
        if content.contains(&0) {
            return Err(invalid("NUL in a header line"));
        }
        match content.first() {
            Some(b' ' | b'\t') if kept => unfold(&mut written.text, content),
            // Nothing that it could belong to.
            Some(b' ' | b'\t') => {}
            _ => kept = field(&mut written.text, content)?,
        }
        written.lines = written.lines.saturating_add(usize::from(kept));
        if written.lines > LINES {
            return Err(invalid("more than 5000 header lines"));
        }
    }
    Ok(None)
}

fn whole_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

/// Without its end, which should be CRLF (RFC 9112 §2.2).
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last.saturating_add(1));
    line.get(..end).unwrap_or_default()
}

/// The version, which may be in small letters, and three digits; what follows is for people.
fn status_line(line: &[u8]) -> io::Result<Vec<u8>> {
    let (version, rest) =
        line.split_at(line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len()));
    let version = match version.to_ascii_uppercase().as_slice() {
        b"HTTP/1.1" => "HTTP/1.1",
        // What says that it speaks something else does not in the way that this is: one answer is all that is believed.
        b"HTTP/1.0" | b"HTTP/2" | b"HTTP/3" => "HTTP/1.0",
        _ => return Err(invalid("invalid HTTP version")),
    };
    let code = rest.trim_ascii_start().split_at_checked(3).map(|(code, _)| code);
    let code = code.filter(|code| code.iter().all(u8::is_ascii_digit)).ok_or_else(|| invalid("invalid status code"))?;
    Ok([version.as_bytes(), b" ", code, b"\r\n"].concat())
}

/// Goes on with the line before (RFC 9112 §5.2).
fn unfold(text: &mut Vec<u8>, content: &[u8]) {
    let content = content.trim_ascii();
    if HeaderValue::from_bytes(content).is_ok() {
        text.truncate(text.len().saturating_sub(2));
        text.push(b' ');
        text.extend_from_slice(content);
        text.extend_from_slice(b"\r\n");
    }
}

/// Writes a field, if it is one. White space before the colon goes (RFC 9112 §5.1), and so does a bare CR (§2.2).
fn field(text: &mut Vec<u8>, content: &[u8]) -> io::Result<bool> {
    let mut parts = content.splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default().trim_ascii_end();
    let value = parts.next().map(|value| value.iter().map(|byte| if *byte == b'\r' { b' ' } else { *byte }));
    let value = value.map(Iterator::collect::<Vec<_>>);
    let value =
        value.as_ref().map(|value| without_spaces(value)).filter(|value| HeaderValue::from_bytes(value).is_ok());
    if let (Some(value), true) = (value, HeaderName::from_bytes(name).is_ok()) {
        for part in [name, b": ", value, b"\r\n"] {
            text.extend_from_slice(part);
        }
        return Ok(true);
    }
    if frames(content) { Err(invalid("malformed Content-Length or Transfer-Encoding line")) } else { Ok(false) }
}

/// White space is spaces and tabs: what else is not seen is no value's end (RFC 9110 §5.6.3).
fn without_spaces(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether such a line says how the message is framed.
fn frames(line: &[u8]) -> bool {
    [&b"content-length"[..], b"transfer-encoding"]
        .iter()
        .any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests;
