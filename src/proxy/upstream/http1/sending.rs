//! Writes a request: its head, then its body as it arrives (RFC 9112 §3, §6, §7).

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Uri, header};
use hyper::body::Body;
use tokio::io::AsyncWrite;

use crate::proxy::message::attempt::UpstreamRequest;
use crate::proxy::message::body::BodyError;
use crate::proxy::message::headers::text::{write_cased_line, write_line};
use crate::proxy::message::version;

/// Body frames up to this size are copied into the text buffer, which is cheaper than another slice for the write.
const COPY_LIMIT: usize = 4 << 10;

/// How much to gather before a write.
const GATHER_LIMIT: usize = 16 << 10;

const LINE_END: &[u8] = b"\r\n";

/// Why a request could not be sent completely.
pub(super) enum WriteError {
    /// The request body failed.
    Body(BodyError),
    /// The connection failed.
    Transport(io::Error),
}

/// How the body is framed.
#[derive(Clone, Copy)]
enum Framing {
    /// A Content-Length, with this many bytes left.
    Length(u64),
    Chunked,
}

pub(super) struct RequestWriter<B> {
    body: Option<B>,
    framing: Framing,
    /// The text to write, beginning at `written`; `data` and `after` follow it.
    text: Vec<u8>,
    written: usize,
    data: Bytes,
    after: &'static [u8],
    begun: bool,
}

impl<B> Default for RequestWriter<B> {
    fn default() -> Self {
        let (framing, text, data) = (Framing::Length(0), Vec::new(), Bytes::new());
        Self { body: None, framing, text, written: 0, data, after: b"", begun: false }
    }
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> RequestWriter<B> {
    pub(super) fn begin(&mut self, request: UpstreamRequest<'_, B>) {
        self.begun = false;
        self.framing = write_head(&mut self.text, &request);
        self.body = (!request.body.is_end_stream()).then_some(request.body);
    }

    /// Whether any byte has been written.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the whole request has been written.
    pub(super) fn is_done(&self) -> bool {
        self.body.is_none() && self.is_written()
    }

    /// Writes the request, and reads the body as fast as it can be written.
    pub(super) fn poll<L: AsyncWrite + Unpin>(
        &mut self,
        transport: &mut L,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError>> {
        loop {
            self.gather(cx).map_err(WriteError::Body)?;
            if self.is_written() {
                ready!(Pin::new(&mut *transport).poll_flush(cx)).map_err(WriteError::Transport)?;
                return if self.body.is_none() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            ready!(self.poll_write(transport, cx)).map_err(WriteError::Transport)?;
        }
    }

    fn is_written(&self) -> bool {
        self.written == self.text.len() && self.data.is_empty() && self.after.is_empty()
    }

    fn poll_write<L: AsyncWrite + Unpin>(&mut self, transport: &mut L, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let text = self.text.get(self.written..).unwrap_or_default();
        let transport = Pin::new(transport);
        let mut written = if self.data.is_empty() && self.after.is_empty() {
            ready!(transport.poll_write(cx, text))?
        } else {
            let slices = [text, &self.data, self.after].map(IoSlice::new);
            ready!(transport.poll_write_vectored(cx, &slices))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.begun = true;
        let of_text = written.min(text.len());
        self.written = self.written.saturating_add(of_text);
        written = written.saturating_sub(of_text);
        if self.written == self.text.len() {
            self.text.clear();
            self.written = 0;
        }
        let of_data = written.min(self.data.len());
        if of_data == self.data.len() {
            // An empty slice would keep its whole buffer alive.
            self.data = Bytes::new();
        } else {
            self.data.advance(of_data);
        }
        self.after = self.after.get(written.saturating_sub(of_data)..).unwrap_or_default();
        Poll::Ready(Ok(()))
    }

    /// Reads as much of the body as fits into the buffer.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        while self.data.is_empty() && self.after.is_empty() && self.text.len() < GATHER_LIMIT {
            let Some(body) = &mut self.body else { break };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.end(&HeaderMap::new())?,
                Poll::Ready(Some(frame)) => match frame?.into_data() {
                    Ok(data) => self.push(data)?,
                    Err(frame) => self.end(&frame.into_trailers().unwrap_or_default())?,
                },
            }
        }
        Ok(())
    }

    fn push(&mut self, data: Bytes) -> Result<(), BodyError> {
        if data.is_empty() {
            return Ok(());
        }
        let after = match &mut self.framing {
            Framing::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(BodyError::Length)?;
                b""
            }
            Framing::Chunked => {
                let _ = write!(self.text, "{:X}\r\n", data.len());
                LINE_END
            }
        };
        if data.len() <= COPY_LIMIT {
            self.text.extend_from_slice(&data);
            self.text.extend_from_slice(after);
        } else {
            self.data = data;
            self.after = after;
        }
        if matches!(self.framing, Framing::Length(0)) {
            self.body = None;
        }
        Ok(())
    }

    fn end(&mut self, trailers: &HeaderMap) -> Result<(), BodyError> {
        self.body = None;
        match self.framing {
            Framing::Length(0) => Ok(()),
            Framing::Length(_) => Err(BodyError::Length),
            Framing::Chunked => {
                self.text.extend_from_slice(b"0\r\n");
                trailers.iter().for_each(|(name, value)| write_line(&mut self.text, name, value.as_bytes()));
                self.text.extend_from_slice(LINE_END);
                Ok(())
            }
        }
    }
}

/// Writes the head. The framing comes from the body itself; the caller's Transfer-Encoding was stripped.
fn write_head<B: Body>(text: &mut Vec<u8>, request: &UpstreamRequest<'_, B>) -> Framing {
    let UpstreamRequest { head, target, headers, body } = request;
    text.extend_from_slice(head.method.as_str().as_bytes());
    text.push(b' ');
    write_target(text, target);
    text.extend_from_slice(b" HTTP/1.1\r\n");
    let framing = match body.size_hint().exact() {
        _ if body.is_end_stream() => Framing::Length(0),
        Some(length) => Framing::Length(length),
        None => Framing::Chunked,
    };
    let mut length_written = false;
    headers.each(|name, case, value| match (framing, case) {
        (_, Some(case)) => write_cased_line(text, case, value.as_bytes()),
        _ if *name != header::CONTENT_LENGTH => write_line(text, name, value.as_bytes()),
        (Framing::Length(length), None) if !length_written => {
            length_written = true;
            write_length(text, length);
        }
        (Framing::Length(_) | Framing::Chunked, None) => {}
    });
    match framing {
        Framing::Length(length) if !length_written && (length > 0 || version::expects_body(&head.method)) => {
            write_length(text, length);
        }
        Framing::Length(_) => {}
        // Written for every method: without it the server would not expect a body on a GET.
        Framing::Chunked => write_line(text, &header::TRANSFER_ENCODING, b"chunked"),
    }
    text.extend_from_slice(LINE_END);
    framing
}

fn write_length(text: &mut Vec<u8>, length: u64) {
    write_line(text, &header::CONTENT_LENGTH, length.to_string().as_bytes());
}

fn write_target(text: &mut Vec<u8>, target: &Uri) {
    match target.path_and_query() {
        Some(path) if target.authority().is_none() => text.extend_from_slice(path.as_str().as_bytes()),
        _ => {
            let _ = write!(text, "{target}");
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
