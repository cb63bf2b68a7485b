//! An answer as it is read, whatever its connection speaks.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::http1::receiving::Http1Body;
use super::http2::Http2Body;
use super::transport::Transport;
use crate::proxy::socket::Rewound;

/// Where the body of an answer comes from.
pub(crate) enum ResponseBody {
    /// HTTP/1.1.
    Http1(Http1Body),
    /// HTTP/2.
    Http2(Http2Body),
}

/// Why an answer ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Over HTTP/1.1.
    #[error(transparent)]
    Http1(#[from] io::Error),
    /// Over HTTP/2. A caller of HTTP/2 is told the same reason: hyper looks for it among the causes.
    #[error("the upstream reset its response")]
    Http2(#[from] h2::Error),
}

impl ResponseBody {
    /// Its next part.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        match self {
            Self::Http1(body) => body.poll_frame(cx).map_err(ReadError::Http1),
            Self::Http2(body) => body.poll_frame(cx).map_err(ReadError::Http2),
        }
    }

    /// Whether it is known that nothing comes any more.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Http1(body) => body.has_ended(),
            Self::Http2(body) => body.has_ended(),
        }
    }

    /// How much is left.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }

    /// The connection, which has left HTTP, and what was read of it. Nobody else may hold it.
    pub(crate) fn into_tunnel(self) -> Option<Rewound<Transport>> {
        match self {
            Self::Http1(body) => body.into_tunnel(),
            Self::Http2(_) => None,
        }
    }
}
