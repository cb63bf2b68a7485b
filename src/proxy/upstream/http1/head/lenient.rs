//! Repairs header lines that are malformed but that curl accepts, so that what is forwarded is valid. A line that can only be a
//! mistake is dropped, as browsers do. Framing is never guessed.

use std::io;

use http::{HeaderName, HeaderValue};

use crate::proxy::upstream::http1::malformed::invalid;

/// The most header lines: the same limit as curl's.
pub(in crate::proxy::upstream::http1) const MAX_LINES: usize = 5000;

const PROTOCOL: &[u8] = b"HTTP/";

/// Repaired header lines.
pub(in crate::proxy::upstream::http1) struct Rewritten {
    /// The lines, including the empty one at the end.
    pub(in crate::proxy::upstream::http1) text: Vec<u8>,
    /// The number of lines.
    pub(in crate::proxy::upstream::http1) lines: usize,
    /// The length of the original.
    pub(in crate::proxy::upstream::http1) length: usize,
}

/// Repairs a head; `None` if it is incomplete.
pub(super) fn head(buffer: &[u8]) -> io::Result<Option<Rewritten>> {
    let empty = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let begun = buffer.get(empty..).unwrap_or_default();
    if !begun.iter().zip(PROTOCOL).all(|(byte, wanted)| byte.eq_ignore_ascii_case(wanted)) {
        return Err(invalid("not an HTTP/1 response"));
    }
    let Some(first) = whole_lines(begun).next() else { return Ok(None) };
    let text = status_line(trimmed(first))?;
    let rest = begun.get(first.len()..).unwrap_or_default();
    let skipped = empty.saturating_add(first.len());
    Ok(fields(rest, text)?.map(|fields| Rewritten { length: fields.length.saturating_add(skipped), ..fields }))
}

/// Repairs header lines and appends them to `text`, including the empty one at the end; `None` if that has not arrived yet.
pub(in crate::proxy::upstream::http1) fn fields(buffer: &[u8], text: Vec<u8>) -> io::Result<Option<Rewritten>> {
    let mut written = Rewritten { text, lines: 0, length: 0 };
    let mut kept = false;
    for line in whole_lines(buffer) {
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
            // A continuation without a line before it is dropped.
            Some(b' ' | b'\t') => {}
            _ => kept = field(&mut written.text, content)?,
        }
        written.lines = written.lines.saturating_add(usize::from(kept));
        if written.lines > MAX_LINES {
            return Err(invalid("more than 5000 header lines"));
        }
    }
    Ok(None)
}

fn whole_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

/// Removes the line end, which should be CRLF (RFC 9112 §2.2).
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last.saturating_add(1));
    line.get(..end).unwrap_or_default()
}

/// Repairs a status line: accepts the version in lower case, requires three digits, and drops the reason phrase.
fn status_line(line: &[u8]) -> io::Result<Vec<u8>> {
    let (version, rest) =
        line.split_at(line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len()));
    let version = match version.to_ascii_uppercase().as_slice() {
        b"HTTP/1.1" => "HTTP/1.1",
        // HTTP/2 and HTTP/3 do not look like this. Treat it as HTTP/1.0, so that the connection closes after this response.
        b"HTTP/1.0" | b"HTTP/2" | b"HTTP/3" => "HTTP/1.0",
        _ => return Err(invalid("invalid HTTP version")),
    };
    let code = rest.trim_ascii_start().split_at_checked(3).map(|(code, _)| code);
    let code = code.filter(|code| code.iter().all(u8::is_ascii_digit)).ok_or_else(|| invalid("invalid status code"))?;
    Ok([version.as_bytes(), b" ", code, b"\r\n"].concat())
}

/// Joins a continuation line to the line before it (RFC 9112 §5.2).
fn unfold(text: &mut Vec<u8>, content: &[u8]) {
    let content = content.trim_ascii();
    if HeaderValue::from_bytes(content).is_ok() {
        text.truncate(text.len().saturating_sub(2));
        text.push(b' ');
        text.extend_from_slice(content);
        text.extend_from_slice(b"\r\n");
    }
}

/// Appends a header line if it is valid. Removes white space before the colon (RFC 9112 §5.1), and replaces a bare CR by a space
/// (§2.2).
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

/// Trims spaces and tabs. Other invisible bytes do not end a value (RFC 9110 §5.6.3).
fn without_spaces(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether the line begins like a framing header.
fn frames(line: &[u8]) -> bool {
    [&b"content-length"[..], b"transfer-encoding"]
        .iter()
        .any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests;
