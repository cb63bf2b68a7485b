//! A workaround for trailers that arrive late.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};

/// The next frame of a caller's body. If trailers arrive after the response has ended, hyper 1.12 keeps the body open and reports
/// it as incomplete when the connection closes. Trailers end a body: if some follow that error, the whole body has arrived.
pub(super) fn poll_frame<B>(incoming: &mut B, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    let next = ready!(Pin::new(&mut *incoming).poll_frame(cx));
    if !matches!(&next, Some(Err(error)) if error.is_incomplete_message()) {
        return Poll::Ready(next);
    }
    match Pin::new(incoming).poll_frame(cx) {
        Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(Some(Ok(frame))),
        Poll::Ready(_) | Poll::Pending => Poll::Ready(next),
    }
}
