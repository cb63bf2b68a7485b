//! The seam between the data path and a flow: how an API takes its token, and how it says that the token is dead.

use http::{HeaderMap, StatusCode};

use super::grant::Token;
use super::patch::Patch;

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
