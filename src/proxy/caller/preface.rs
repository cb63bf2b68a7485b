//! Which HTTP a caller speaks: the first bytes tell (RFC 9113 §3.4).

use std::pin::Pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use crate::proxy::limits::deadline::Waiting;
use crate::proxy::request::serve::Caller;
use crate::proxy::socket::Socket;

/// What a caller of HTTP/2 begins with. No request of HTTP/1 does.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Most requests come whole in their first bytes.
const FIRST: usize = 1024;

/// How a caller begins, with the bytes read to find out.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::proxy::caller) enum Preface {
    Http1(Bytes),
    Http2(Bytes),
}

/// Reads until the caller's first bytes tell. `None` if it goes, takes too long, or the process goes down before it began.
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
    fn the_whole_preface_is_needed_and_its_first_difference_tells() {
        for (read, begins) in [
            (&b"PR"[..], None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", Some("2")),
            (b"PRI /", Some("1")),
            (b"PO", Some("1")),
            (b"GET / HTTP/1.1\r\n", Some("1")),
        ] {
            let told = detect(read).map(|preface| match preface(Bytes::copy_from_slice(read)) {
                Preface::Http1(same) => (same == read).then_some("1"),
                Preface::Http2(same) => (same == read).then_some("2"),
            });
            assert_eq!(told, begins.map(Some), "{read:?}");
        }
    }
}
