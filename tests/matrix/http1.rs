//! Both ends of HTTP/1.1, written and read byte by byte, so that the case of names is seen.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::message::{Draft, Field, Framing, Message};

const PATIENCE: Duration = Duration::from_secs(20);

/// One end of a connection.
pub struct Wire<S> {
    stream: S,
    read: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, read: BytesMut::with_capacity(1 << 16) }
    }

    /// Sends a message. Of a request with `Expect: 100-continue`, only the head.
    pub async fn send(&mut self, draft: &Draft, request: bool) {
        let head = head(draft, request);
        let waits = draft.message.field("expect").is_some();
        let rest = if waits { Vec::new() } else { body(draft) };
        self.write(&[head.as_bytes(), &rest].concat()).await;
    }

    /// Sends the body that was held back.
    pub async fn send_body(&mut self, draft: &Draft) {
        self.write(&body(draft)).await;
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // The other end may close once it has responded.
        let _ = tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("sending hangs");
    }

    pub async fn flush(&mut self) {
        let _ = self.stream.flush().await;
    }

    pub async fn close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    async fn more(&mut self) -> bool {
        self.read.reserve(1 << 16);
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        matches!(read, Ok(Ok(length)) if length > 0)
    }

    async fn until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Some(String::from_utf8_lossy(&self.read.split_to(at + end.len())).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Option<BytesMut> {
        while self.read.len() < length {
            if !self.more().await {
                return None;
            }
        }
        Some(self.read.split_to(length))
    }

    /// The next head; `None` if the connection ends before it.
    pub async fn head(&mut self, request: bool) -> Option<Message> {
        let text = self.until(b"\r\n\r\n").await?;
        let mut lines = text.trim_end().split("\r\n");
        let line = lines.next().unwrap_or_default();
        let mut words = line.splitn(3, ' ');
        let (first, second, third) = (words.next()?, words.next()?, words.next().unwrap_or_default());
        let message = if request { Message::new(first, second) } else { Message::new(second, third) };
        let mut message = message.of(if request { third } else { first });
        message.fields = fields(lines);
        Some(message)
    }

    /// The body of a head that was read.
    pub async fn body(&mut self, message: &mut Message, bodyless: bool, request: bool) {
        if bodyless {
            return;
        }
        if message.field("transfer-encoding").is_some() {
            while let Some(size) = self.until(b"\r\n").await {
                match usize::from_str_radix(size.trim(), 16).expect("a chunk's size") {
                    0 => break,
                    size => message.body.extend_from_slice(&self.exactly(size).await.unwrap_or_default()),
                }
                self.exactly(2).await;
            }
            let mut lines = Vec::new();
            while let Some(line) = self.until(b"\r\n").await.filter(|line| line != "\r\n") {
                lines.push(line);
            }
            message.trailers = fields(lines.iter().map(|line| line.trim_end()));
        } else if let Some(length) = message.field("content-length") {
            let length = length.parse().expect("a length");
            message.body = self.exactly(length).await.unwrap_or_default().to_vec();
        } else if !request {
            while self.more().await {}
            message.body = self.read.split().to_vec();
        }
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Field> {
    let field = |line: &str| {
        let (name, value) = line.split_once(':').expect("a field");
        (name.to_owned(), value.trim().to_owned())
    };
    lines.map(field).collect()
}

fn head(draft: &Draft, request: bool) -> String {
    let Message { version, start, more, fields, body, .. } = &draft.message;
    let first = if request { format!("{start} {more} {version}\r\n") } else { format!("{version} {start} {more}\r\n") };
    let framing = match draft.framing {
        Framing::Length => format!("Content-Length: {}\r\n", body.len()),
        Framing::Chunked(_) => "Transfer-Encoding: chunked\r\n".to_owned(),
        Framing::Close => "Connection: close\r\n".to_owned(),
        Framing::None => String::new(),
    };
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{first}{fields}{framing}\r\n")
}

fn body(draft: &Draft) -> Vec<u8> {
    let Message { body, trailers, .. } = &draft.message;
    let Framing::Chunked(size) = draft.framing else { return body.clone() };
    let mut bytes = Vec::with_capacity(body.len() * 2);
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:X}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n");
    bytes.extend(trailers.iter().flat_map(|(name, value)| format!("{name}: {value}\r\n").into_bytes()));
    bytes.extend(b"\r\n");
    bytes
}
