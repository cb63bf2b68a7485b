//! Either end of an HTTP/1.1 connection. Bodies are compared while they arrive.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(150);

pub struct Wire {
    stream: TcpStream,
    read: BytesMut,
}

#[derive(Default, Debug)]
pub struct Head {
    pub line: String,
    fields: String,
}

impl Head {
    pub fn word(&self, place: usize) -> &str {
        self.line.split(' ').nth(place).unwrap_or_default()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let lines = self.fields.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// The result of reading a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    AsExpected,
    Different,
    Cut,
}

impl Wire {
    pub fn of(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, read: BytesMut::with_capacity(16 << 10) }
    }

    /// Whether the other end has sent anything unexpected, or closed.
    pub fn is_fresh(&self) -> bool {
        let mut byte = [0];
        self.read.is_empty()
            && matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await, Ok(Ok(())))
    }

    /// Resets the connection, as a crash does.
    pub fn reset(self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    async fn more(&mut self) -> bool {
        self.read.reserve(16 << 10);
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        matches!(read, Ok(Ok(length)) if length > 0)
    }

    async fn until(&mut self, end: &[u8]) -> Option<BytesMut> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Some(self.read.split_to(at + end.len()));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub async fn head(&mut self) -> Option<Head> {
        let text = String::from_utf8_lossy(&self.until(b"\r\n\r\n").await?).into_owned();
        let (line, fields) = text.split_once("\r\n")?;
        Some(Head { line: line.to_owned(), fields: fields.to_owned() })
    }

    /// Reads the body of a message.
    pub async fn body(&mut self, head: &Head, expected: &[u8]) -> Body {
        let (mut rest, mut same) = (expected, true);
        if head.field("transfer-encoding").is_none() {
            let length = head.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if !self.compare(length, &mut rest, &mut same).await {
                return Body::Cut;
            }
        } else {
            while let Some(size) = self.until(b"\r\n").await {
                let size = std::str::from_utf8(&size).ok().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
                let Some(size) = size else { return Body::Different };
                if !self.compare(size, &mut rest, &mut same).await || self.until(b"\r\n").await.is_none() {
                    return Body::Cut;
                }
                if size == 0 {
                    return if same && rest.is_empty() { Body::AsExpected } else { Body::Different };
                }
            }
            return Body::Cut;
        }
        if same && rest.is_empty() { Body::AsExpected } else { Body::Different }
    }

    async fn compare(&mut self, mut length: usize, rest: &mut &[u8], same: &mut bool) -> bool {
        while length > 0 {
            if self.read.is_empty() && !self.more().await {
                return false;
            }
            let part = self.read.split_to(length.min(self.read.len()));
            length -= part.len();
            *same &= rest.starts_with(&part);
            *rest = rest.get(part.len()..).unwrap_or_default();
        }
        true
    }
}
