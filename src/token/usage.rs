//! The interface between the data path and a flow: how to put a token on a request, and how to recognise that the API
//! rejected it.

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::grant::Token;
use super::patch::{CasedName, Patch};

/// What a response says about the token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The API accepted the token, or refused the request for another reason.
    Accepted,
    /// The API rejected the token: it must be replaced.
    Expired,
    /// The body decides, if it is small: call [`Usage::body_says_expired`].
    AskBody,
}

/// A token that cannot be put on a request, such as one with a line break.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct PatchError(pub String);

/// How one upstream's API receives a token and reports that it has expired.
pub trait Usage: Send + Sync + 'static {
    /// The changes to a request that carry the token. Called once per generation, not per request.
    fn patch(&self, token: &Token) -> Result<Patch, PatchError>;

    /// Headers that sign one request, for APIs that want a signature over each: made anew for every attempt, since
    /// they hold its time, method and target as it goes out (AWS SigV4, RFC 9421, DPoP). They are set last, so the flow
    /// must own their names. No flow signs yet; one that does not allocates nothing.
    fn sign(&self, _token: &Token, _method: &Method, _target: &Uri) -> Vec<(CasedName, HeaderValue)> {
        Vec::new()
    }

    /// Judges the token by a response's head.
    fn verdict(&self, status: StatusCode, headers: &HeaderMap) -> Verdict;

    /// Judges the token by a response's decoded body; called only after [`Verdict::AskBody`].
    fn body_says_expired(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool;

    /// Whether [`Usage::verdict`] may return [`Verdict::AskBody`]. If so, the proxy requests only content codings that
    /// it can decode.
    fn reads_bodies(&self) -> bool {
        false
    }

    /// Whether a body that is neither a JSON object nor an array can decide. If not, such bodies are passed on at once.
    fn reads_text(&self) -> bool {
        false
    }
}
