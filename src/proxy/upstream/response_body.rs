//! A response body from an upstream, over either version of HTTP.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::http1::receiving::Http1Body;
use super::http2::Http2Body;
use super::transport::Transport;
use crate::proxy::socket::Rewound;

pub(crate) enum ResponseBody {
    Http1(Http1Body),
    Http2(Http2Body),
}

/// Why a response body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Http1(#[from] io::Error),
    /// Over HTTP/2. hyper finds the reason among the error's sources and resets an HTTP/2 caller's stream with it.
    #[error("the upstream reset its response")]
    Http2(#[from] h2::Error),
}

impl ResponseBody {
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        match self {
            Self::Http1(body) => body.poll_frame(cx).map_err(ReadError::Http1),
            Self::Http2(body) => body.poll_frame(cx).map_err(ReadError::Http2),
        }
    }

    /// Whether the body is known to have ended.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Http1(body) => body.has_ended(),
            Self::Http2(body) => body.has_ended(),
        }
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }

    /// Returns the connection after a 101 response, with the bytes read so far. `None` if anything else still holds the
    /// connection.
    pub(crate) fn into_tunnel(self) -> Option<Rewound<Transport>> {
        match self {
            Self::Http1(body) => body.into_tunnel(),
            Self::Http2(_) => None,
        }
    }
}
