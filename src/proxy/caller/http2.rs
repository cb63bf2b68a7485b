//! A caller's HTTP/2 connection without TLS, detected by its preface (RFC 9113 §3.3).

mod heads;

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use self::heads::HeadTimer;
use super::pacing::Pacing;
use crate::proxy::limits::deadline::{Deadline, Waiting};
use crate::proxy::request::serve::Caller;
use crate::proxy::socket::{Rewound, Socket};
use crate::proxy::spawn::LocalExecutor;
use crate::sensor_io::SensorIo;

/// How many concurrent streams a connection may have: as many as gRPC servers allow.
const STREAMS: u32 = 100;

/// The window of one stream. The connection's window is larger, so that a body that the upstream reads slowly does not stop other
/// streams. h2 also derives its limit on small frames from it.
const STREAM_WINDOW: u32 = 1 << 20;
/// The window of a connection, in windows of streams.
const WINDOWS: u32 = 4;
/// A stream's window takes at most this fraction of the memory limit. The minimum is the initial window of RFC 9113 §6.9.2.
const PART: u64 = 256;
const LEAST_WINDOW: u32 = (1 << 16) - 1;
/// How many bytes may wait to be sent on a stream.
const UNSENT: u32 = 128 << 10;

/// How long a caller has to close its connection after a GOAWAY.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves the connection to its end.
pub(in crate::proxy::caller) async fn serve(socket: Socket, buffered: Bytes, caller: Rc<Caller>) {
    let (worker, deadline) = (caller.worker.clone(), caller.deadline.clone());
    let _awake = worker.wake();
    // The preface announces a request.
    deadline.wait(Waiting::RequestHead, worker.limits.header_timeout);
    let heads = worker.deadlines.deadline_of(deadline.account.clone());
    let serving = caller.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let stream = serving.stream();
        async move { Ok::<_, Infallible>(stream.serve(request).await) }
    });
    let io = TokioIo::new(watched(Rewound { buffered, socket }, &caller, heads.clone()));
    let mut connection = pin!(builder(&caller).serve_connection(io, service));
    let mut stopping = false;
    std::future::poll_fn(|cx| {
        deadline.register(cx.waker());
        heads.register(cx.waker());
        loop {
            let expired = deadline.expired();
            // An unfinished head blocks all other streams. A caller that has sent no request needs no GOAWAY.
            if (expired.is_some() && stopping) || expired == Some(Waiting::RequestHead) || heads.expired().is_some() {
                return Poll::Ready(());
            }
            // hyper closes a connection immediately if it is shut down before its handshake.
            let leaving = worker.draining.get() || (worker.leaving.get() && caller.has_begun());
            if expired.is_some() || (leaving && !stopping) {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            if expired.is_some() {
                deadline.wait(Waiting::NextRequest, GOAWAY_TIMEOUT);
            }
            if let Poll::Ready(end) = connection.as_mut().poll(cx) {
                let _ = end.inspect_err(|error| tracing::debug!(%error, "connection from a caller closed"));
                return Poll::Ready(());
            }
            if stopping || !worker.leaving.get() || !caller.has_begun() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

fn watched<I>(io: I, caller: &Caller, heads: Rc<Deadline>) -> SensorIo<SensorIo<I, Pacing>, HeadTimer> {
    SensorIo::new(SensorIo::new(io, Pacing::of(caller)), HeadTimer::new(heads, caller.worker.limits.header_timeout))
}

fn builder(caller: &Caller) -> http2::Builder<LocalExecutor> {
    let worker = &caller.worker;
    let executor = LocalExecutor { limiter: worker.limiter.clone(), account: caller.deadline.account.clone() };
    let mut builder = http2::Builder::new(executor);
    let window =
        u32::try_from(worker.limiter.memory_most() / PART).unwrap_or(u32::MAX).clamp(LEAST_WINDOW, STREAM_WINDOW);
    builder
        .auto_date_header(false)
        .initial_stream_window_size(window)
        .initial_connection_window_size(window.saturating_mul(WINDOWS))
        .max_send_buf_size(window.min(UNSENT) as usize)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(worker.limits.header_bytes).unwrap_or(u32::MAX));
    builder
}
