//! An answer as it is read, whatever its connection speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::http2::Receiving;
use super::line::Ongoing;
use super::transport::Transport;
use crate::proxy::socket::Rewound;

/// Where the body of an answer comes from.
pub(crate) enum Reading {
    /// HTTP/1.1.
    Direct(Ongoing),
    /// HTTP/1.1 of hyper's.
    Spelled(Incoming),
    /// HTTP/2.
    Shared(Receiving),
}

/// Why an answer ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Over HTTP/1.1.
    #[error(transparent)]
    Direct(#[from] io::Error),
    /// Over HTTP/1.1 of hyper's.
    #[error(transparent)]
    Spelled(#[from] hyper::Error),
    /// Over HTTP/2. A caller of HTTP/2 is told the same reason: hyper looks for it among the causes.
    #[error("the upstream gave up its answer")]
    Shared(#[from] h2::Error),
}

impl Reading {
    /// Its next part.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        match self {
            Self::Direct(ongoing) => ongoing.poll_frame(cx).map_err(ReadError::Direct),
            Self::Spelled(incoming) => Pin::new(incoming).poll_frame(cx).map_err(ReadError::Spelled),
            Self::Shared(receiving) => receiving.poll_frame(cx).map_err(ReadError::Shared),
        }
    }

    /// Whether it is known that nothing comes any more.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Direct(ongoing) => ongoing.has_ended(),
            Self::Spelled(incoming) => incoming.is_end_stream(),
            Self::Shared(receiving) => receiving.has_ended(),
        }
    }

    /// How much is left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Direct(ongoing) => ongoing.size_hint(),
            Self::Spelled(incoming) => incoming.size_hint(),
            Self::Shared(receiving) => receiving.size_hint(),
        }
    }

    /// The connection, which has left HTTP, and what was read of it. Nobody else may hold it.
    pub(crate) fn into_tunnel(self) -> Option<Rewound<Transport>> {
        match self {
            Self::Direct(ongoing) => ongoing.into_tunnel(),
            Self::Spelled(_) | Self::Shared(_) => None,
        }
    }
}
