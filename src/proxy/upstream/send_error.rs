//! Why a request got no response. The variants distinguish what decides whether it may be sent again.

use std::io;

use crate::proxy::error::ProxyError;
use crate::proxy::message::body::BodyError;

const BODY_BROKE_OFF: ProxyError = ProxyError::BadRequest("the request body ended early");

/// Why a request got no response.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The connection closed before any byte of the request was sent.
    Unsent,
    /// The server refused the request without processing it.
    Refused,
    /// The server did not process the request and requires HTTP/1.1 (RFC 9113 §7).
    Http1Required,
    /// The connection failed after some of the request was sent, and before any of the response was read.
    Broken(String),
    /// The response broke off within its head, or after an interim response.
    CutShort(String),
    /// The response is not valid HTTP.
    Malformed(String),
    /// The server reset the stream of this request.
    Reset(String),
    /// The request failed for another reason, which the caller is told.
    For(ProxyError),
}

impl SendError {
    /// The same after an interim response: a server that has answered has seen the request, whatever it says then.
    pub(crate) fn after_interim(self) -> Self {
        match self {
            Self::Unsent | Self::Refused | Self::Http1Required => {
                Self::CutShort("refused after an interim response".to_owned())
            }
            Self::Broken(why) => Self::CutShort(why),
            Self::CutShort(_) | Self::Malformed(_) | Self::Reset(_) | Self::For(_) => self,
        }
    }
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

/// A refused stream, and one above the last stream ID of a GOAWAY, has not been processed (RFC 9113 §8.7).
impl From<h2::Error> for SendError {
    fn from(error: h2::Error) -> Self {
        match error.reason() {
            Some(h2::Reason::HTTP_1_1_REQUIRED) if error.is_remote() => Self::Http1Required,
            // h2 itself rejected what the server sent.
            Some(h2::Reason::PROTOCOL_ERROR) if error.is_library() => Self::Malformed(error.to_string()),
            Some(_) if error.is_remote() && error.is_go_away() => Self::Refused,
            Some(h2::Reason::REFUSED_STREAM) if error.is_remote() => Self::Refused,
            Some(_) if error.is_reset() => Self::Reset(error.to_string()),
            Some(_) | None => Self::Broken(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_after_an_interim_response_lets_the_request_be_sent_again() {
        for error in [
            SendError::Unsent,
            SendError::Refused,
            SendError::Http1Required,
            SendError::Broken("closed".to_owned()),
            SendError::CutShort("closed".to_owned()),
        ] {
            let told = format!("{error:?}");
            assert!(matches!(error.after_interim(), SendError::CutShort(_)), "{told}");
        }
    }
}
