//! Why a request that was given to a connection has no answer, as far as that decides whether it may be sent again.

use std::io;

use crate::proxy::error::ProxyError;
use crate::proxy::message::body::BodyError;

const BODY_BROKE_OFF: ProxyError = ProxyError::BadRequest("the request body ended early");

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The connection was closed before anything was sent.
    Unsent,
    /// The server says that it has done nothing with it.
    Refused,
    /// The server says that it has done nothing with it, and would in HTTP/1.1 (RFC 9113 §7).
    Http1Required,
    /// The connection broke after something was sent.
    Broken(String),
    /// What came is no answer.
    Malformed(String),
    /// The server gave up this request.
    Reset(String),
    /// What the caller is told.
    For(ProxyError),
}

impl From<ProxyError> for SendError {
    fn from(error: ProxyError) -> Self {
        Self::For(error)
    }
}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            return Self::Malformed(error.to_string());
        }
        Self::Broken(error.to_string())
    }
}

impl From<BodyError> for SendError {
    fn from(error: BodyError) -> Self {
        tracing::debug!(%error, "request not sent completely");
        Self::For(BODY_BROKE_OFF)
    }
}

/// A stream above the last one of a GOAWAY, and a refused one, have not been processed (RFC 9113 §8.7).
impl From<h2::Error> for SendError {
    fn from(error: h2::Error) -> Self {
        match error.reason() {
            Some(h2::Reason::HTTP_1_1_REQUIRED) if error.is_remote() => Self::Http1Required,
            // What h2 itself refuses to read.
            Some(h2::Reason::PROTOCOL_ERROR) if error.is_library() => Self::Malformed(error.to_string()),
            Some(_) if error.is_remote() && error.is_go_away() => Self::Refused,
            Some(h2::Reason::REFUSED_STREAM) if error.is_remote() => Self::Refused,
            Some(_) if error.is_reset() => Self::Reset(error.to_string()),
            Some(_) | None => Self::Broken(error.to_string()),
        }
    }
}
