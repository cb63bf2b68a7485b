//! Jobs that the pool's task runs concurrently. A job always returns a result, even after a panic.

use crate::panics;
use crate::token::keeper::attempt::{Attempt, AttemptResult};
use crate::token::source::{MintError, Outcome};
use crate::token::store::Stored;

/// The result of a job.
pub(super) enum JobResult {
    Minted(Box<(Attempt, AttemptResult)>),
    /// An attempt panicked.
    Panicked,
    Saved(bool),
    Looked(Option<Stored>),
    Revoked,
}

/// The failure for an attempt that panicked.
pub(super) fn failure() -> MintError {
    MintError::new(Outcome::BadReply, panics::Panicked.to_string())
}

/// Runs an attempt and catches a panic.
pub(super) async fn mint(attempt: Attempt) -> JobResult {
    let ended = panics::caught(attempt.run()).await;
    ended.map_or(JobResult::Panicked, |ended| JobResult::Minted(Box::new(ended)))
}

/// Saves a grant and catches a panic.
pub(super) async fn save(attempt: Attempt) -> JobResult {
    match panics::caught(attempt.save_again()).await {
        Ok(Ok(None)) => JobResult::Saved(true),
        Ok(Ok(newer)) => JobResult::Looked(newer),
        Ok(Err(_)) | Err(panics::Panicked) => JobResult::Saved(false),
    }
}
