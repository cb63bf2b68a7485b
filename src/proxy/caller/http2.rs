//! A caller's connection in HTTP/2 without TLS, known by its preface (RFC 9113 §3.3).

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
use crate::proxy::spawn::Local;
use crate::sensor_io::SensorIo;

/// Requests at a time on one connection: as many as servers of gRPC take.
const STREAMS: u32 = 100;

/// What may be on its way from a caller: of one request, and of all, so that one that the upstream is slow to take does not
/// stop the others. It measures as well how many small frames h2 takes at once.
const STREAM_WINDOW: u32 = 1 << 20;
/// So many windows of streams are the window of a connection.
const WINDOWS: u32 = 4;
/// A stream's window takes at most this part of the budget; the least is what RFC 9113 §6.9.2 begins with.
const PART: u64 = 256;
const LEAST_WINDOW: u32 = (1 << 16) - 1;
/// What waits to be sent on a stream.
const UNSENT: u32 = 128 << 10;

/// How long a caller that was told to go may take to do so.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves the connection to its end.
pub(in crate::proxy::caller) async fn serve(socket: Socket, ahead: Bytes, caller: Rc<Caller>) {
    let (worker, deadline) = (caller.worker.clone(), caller.deadline.clone());
    let _awake = worker.wake();
    // A preface announces a request.
    deadline.wait(Waiting::RequestHead, worker.limits.header_timeout);
    let heads = worker.deadlines.deadline_of(deadline.account.clone());
    let serving = caller.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let stream = serving.stream();
        async move { Ok::<_, Infallible>(stream.serve(request).await) }
    });
    let io = TokioIo::new(watched(Rewound { ahead, socket }, &caller, heads.clone()));
    let mut connection = pin!(builder(&caller).serve_connection(io, service));
    let mut told = false;
    std::future::poll_fn(|cx| {
        deadline.register(cx.waker());
        heads.register(cx.waker());
        loop {
            let expired = deadline.expired();
            // Half a head keeps all others of the connection from coming, and a caller that never asked needs no farewell.
            if (expired.is_some() && told) || expired == Some(Waiting::RequestHead) || heads.expired().is_some() {
                return Poll::Ready(());
            }
            // hyper closes a connection at once that is told to go before it has begun.
            let leaving = worker.draining.get() || (worker.leaving.get() && caller.has_begun());
            if expired.is_some() || (leaving && !told) {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            if expired.is_some() {
                deadline.wait(Waiting::NextRequest, FAREWELL);
            }
            if let Poll::Ready(end) = connection.as_mut().poll(cx) {
                let _ = end.inspect_err(|error| tracing::debug!(%error, "connection from a caller closed"));
                return Poll::Ready(());
            }
            if told || !worker.leaving.get() || !caller.has_begun() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

fn watched<I>(io: I, caller: &Caller, heads: Rc<Deadline>) -> SensorIo<SensorIo<I, Pacing>, HeadTimer> {
    SensorIo::new(SensorIo::new(io, Pacing::of(caller)), HeadTimer::new(heads, caller.worker.limits.header_timeout))
}

fn builder(caller: &Caller) -> http2::Builder<Local> {
    let worker = &caller.worker;
    let local = Local { limiter: worker.limiter.clone(), account: caller.deadline.account.clone() };
    let mut builder = http2::Builder::new(local);
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
