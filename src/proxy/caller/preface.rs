//! Detects the caller's protocol by its first bytes (RFC 9113 §3.4).

use std::pin::Pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use crate::proxy::limits::deadline::Waiting;
use crate::proxy::request::serve::Caller;
use crate::proxy::socket::Socket;

/// The HTTP/2 connection preface. No HTTP/1 request begins like this.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much to read at first: most requests fit.
const FIRST: usize = 1024;

/// The protocol, with the bytes read to detect it.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::proxy::caller) enum Preface {
    Http1(Bytes),
    Http2(Bytes),
}

/// Reads until the protocol is known. `None` if the caller leaves, takes too long, or sends nothing until the process stops.
pub(in crate::proxy::caller) async fn read(socket: &mut Socket, caller: &Caller) -> Option<Preface> {
    let mut read = BytesMut::new();
    std::future::poll_fn(|cx| {
        caller.deadline.register(cx.waker());
        loop {
            if caller.deadline.expired().is_some() {
                return Poll::Ready(None);
            }
            let mut bytes = [0; FIRST];
            let mut buffer = ReadBuf::new(&mut bytes);
            let Poll::Ready(done) = Pin::new(&mut *socket).poll_read(cx, &mut buffer) else {
                let unused = caller.worker.draining.get() && read.is_empty() && !socket.holds_bytes();
                return if unused { Poll::Ready(None) } else { Poll::Pending };
            };
            if done.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(None);
            }
            if read.is_empty() {
                caller.deadline.wait(Waiting::RequestHead, caller.worker.limits.header_timeout);
            }
            read.extend_from_slice(buffer.filled());
            if let Some(preface) = detect(&read) {
                return Poll::Ready(Some(preface(read.split().freeze())));
            }
        }
    })
    .await
}

fn detect(read: &[u8]) -> Option<fn(Bytes) -> Preface> {
    if read.starts_with(PREFACE) {
        return Some(Preface::Http2);
    }
    (!PREFACE.starts_with(read)).then_some(Preface::Http1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http2_needs_the_whole_preface_and_any_other_byte_means_http1() {
        for (read, begins) in [
            (&b"PR"[..], None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", Some("2")),
            (b"PRI /", Some("1")),
            (b"PO", Some("1")),
            (b"GET / HTTP/1.1\r\n", Some("1")),
        ] {
            let detected = detect(read).map(|preface| match preface(Bytes::copy_from_slice(read)) {
                Preface::Http1(same) => (same == read).then_some("1"),
                Preface::Http2(same) => (same == read).then_some("2"),
            });
            assert_eq!(detected, begins.map(Some), "{read:?}");
        }
    }
}
