//! A caller's connection: HTTP/1.1 over a socket, ended when its time is over or the process goes down.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::error::ProxyError;
use super::serve::Caller;
use super::settings::Limits;
use super::sweep::{Slot, Waiting};

/// How long a caller that was turned away may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// hyper's own lower bound for a buffer.
const SMALLEST_BUFFER: usize = 8192;

/// A caller's socket.
pub(crate) enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A socket file.
    Unix(UnixStream),
}

/// Serves one connection to its end.
pub(crate) async fn serve(socket: Socket, caller: Caller) {
    let slot = caller.slot.clone();
    let here = caller.here.clone();
    slot.wait(Waiting::NextRequest, here.limits.caller_idle);
    let link = Link { socket, slot: slot.clone(), header_timeout: here.limits.header_timeout };
    let caller = Rc::new(caller);
    let service = service_fn(move |request: Request<Incoming>| {
        let caller = caller.clone();
        async move { Ok::<_, Infallible>(caller.serve(request).await) }
    });
    let mut connection = pin!(builder(&here.limits).serve_connection(TokioIo::new(link), service));
    let mut told = false;
    std::future::poll_fn(|cx| {
        slot.remember(cx.waker());
        if matches!(slot.over(), Some(Waiting::NextRequest | Waiting::RequestHead)) {
            return Poll::Ready(());
        }
        if here.draining.get() && !told {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(|end| {
            if let Err(error) = end {
                tracing::debug!(%error, "a caller's connection ended");
            }
        })
    })
    .await;
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .preserve_header_case(true)
        .auto_date_header(false)
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(SMALLEST_BUFFER).max(128 << 10));
    builder
}

/// Tells a caller that there are too many, without reading what it asks.
pub(crate) async fn turn_away(mut socket: Socket) {
    let answer = ProxyError::Busy.response(None);
    let mut text =
        format!("HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: {}\r\n", answer.status(), answer.body().len());
    for (name, value) in answer.headers() {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    let bytes = [text.as_bytes(), b"\r\n", answer.body()].concat();
    let _ = tokio::time::timeout(FAREWELL, farewell(&mut socket, bytes.into())).await;
}

/// Closing with unread bytes would reset the connection and take the answer away with it.
async fn farewell(socket: &mut Socket, answer: Bytes) -> io::Result<()> {
    socket.write_all(&answer).await?;
    socket.shutdown().await?;
    let mut rest = [0; 1024];
    while socket.read(&mut rest).await? > 0 {}
    Ok(())
}

/// A caller's bytes. The first of a head, and whatever moves while the connection counts as idle, restart its time.
struct Link {
    socket: Socket,
    slot: Rc<Slot>,
    header_timeout: Duration,
}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let done = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if self.slot.waiting() == Waiting::NextRequest && buffer.filled().len() > before {
            self.slot.wait(Waiting::RequestHead, self.header_timeout);
        }
        done
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

macro_rules! on_either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket.get_mut() {
            Socket::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Socket::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_either!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_either!(self, stream => stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_shutdown(cx))
    }
}
