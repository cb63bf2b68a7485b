//! Why a request that was given to a connection has no answer, as far as that decides whether it may be sent again.

use std::io;

use hyper::client::conn::TrySendError;

use super::http1::NoAnswer;
use crate::proxy::error::ProxyError;
use crate::proxy::message::body::BodyError;

const BODY_BROKE_OFF: ProxyError = ProxyError::BadRequest("the request's body broke off");

/// Why there is no answer.
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

impl From<NoAnswer> for SendError {
    fn from(why: NoAnswer) -> Self {
        match why {
            NoAnswer::Unsent => Self::Unsent,
            NoAnswer::Broken(error) => error.into(),
            NoAnswer::Body(error) => error.into(),
        }
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
        tracing::debug!(%error, "a request was not sent to its end");
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

impl<B> From<TrySendError<B>> for SendError {
    fn from(mut why: TrySendError<B>) -> Self {
        match why.take_message() {
            Some(_) => Self::Unsent,
            None if why.error().is_user() => Self::For(BODY_BROKE_OFF),
            None if why.error().is_parse() => Self::Malformed(why.error().to_string()),
            None => Self::Broken(why.error().to_string()),
        }
    }
}
