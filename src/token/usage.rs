//! The seam between the data path and a flow: how an API takes its token, and how it says that the token is dead.

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::grant::Token;
use super::patch::{CasedName, Patch};

/// Whether an answer means that the token must be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No: the token was accepted, or the refusal has another reason.
    Accepted,
    /// Yes.
    Expired,
    /// The body will tell, if it is small: ask [`Usage::body_says_expired`].
    AskBody,
}

/// A token that cannot be put on a request, for example because it holds a line break.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct PatchError(pub String);

/// How one upstream's API takes a token and how it says that one is dead.
pub trait Usage: Send + Sync + 'static {
    /// The token as changes to a request. Called once per generation, not per request.
    fn patch(&self, token: &Token) -> Result<Patch, PatchError>;

    /// Headers that sign one request, for APIs that want a signature over each: made anew for every attempt, since
    /// they hold its time, method and target as it goes out (AWS SigV4, RFC 9421, DPoP). They are set last, so the flow
    /// must own their names. No flow signs yet; one that does not allocates nothing.
    fn sign(&self, _token: &Token, _method: &Method, _target: &Uri) -> Vec<(CasedName, HeaderValue)> {
        Vec::new()
    }

    /// What an answer's head says of the token that was used.
    fn verdict(&self, status: StatusCode, headers: &HeaderMap) -> Verdict;

    /// What its body says; called only after [`Verdict::AskBody`], with a decoded body.
    fn body_says_expired(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool;

    /// Whether [`Usage::verdict`] may ever ask for the body. The upstream is then asked for encodings that can be read.
    fn reads_bodies(&self) -> bool {
        false
    }

    /// Whether a body tells that is neither a JSON object nor an array. Without this, others are passed on at once.
    fn reads_text(&self) -> bool {
        false
    }
}
