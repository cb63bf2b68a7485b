//! Gets one token without a proxy. It uses the same pool, store and lease as a proxy and saves the grant, so that a
//! running proxy with the same store finds the new refresh token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::build::Builder;
use super::{read_roots_beside, store};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Settings, UpstreamConfig};
use crate::proxy::Tokens;
use crate::token::grant::Token;
use crate::token::handle::TokenHandle;
use crate::token::key::Subject;
use crate::token::patch::CasedName;
use crate::token::pool::TokenPool;
use crate::token::status::State;

/// A token, and how its API receives it.
pub struct OneToken {
    /// The token.
    pub token: Arc<Token>,
    /// The headers that carry it.
    pub headers: Vec<(CasedName, HeaderValue)>,
    /// How long it is still valid, and until when in wall-clock time; `None` if unknown.
    pub left: Option<(Duration, SystemTime)>,
}

/// Why there is no token. The messages are for people and contain no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenFailure {
    /// The request could not be made.
    Start(String),
    /// The credentials are refused.
    Refused(String),
    /// The token endpoint fails.
    Failing(String),
}

/// Gets the token of this upstream, or of this subject.
pub fn token(
    settings: &Settings,
    upstream: UpstreamConfig,
    subject: Option<Subject>,
) -> Result<OneToken, TokenFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| TokenFailure::Start(error.to_string()))?;
    let got = runtime.block_on(get(settings, upstream, subject));
    // A running DNS lookup would delay the end of the runtime.
    runtime.shutdown_background();
    got
}

async fn get(
    settings: &Settings,
    upstream: UpstreamConfig,
    subject: Option<Subject>,
) -> Result<OneToken, TokenFailure> {
    read_roots_beside(settings);
    let clock: SharedClock = Arc::new(SystemClock);
    let store = store::open(settings, &clock).map_err(|error| TokenFailure::Start(error.to_string()))?;
    let pool = TokenPool::start(Arc::clone(&clock), store, fastrand::Rng::new());
    let usage = Arc::clone(&upstream.flow.usage);
    let mut builder = Builder::new(Arc::clone(&clock), pool.clone(), settings);
    let built = builder.build(upstream, None).map_err(|error| TokenFailure::Start(error.to_string()))?;
    let handle = match (&built.upstream.tokens, &subject) {
        (Tokens::One(handle), _) => handle.clone(),
        (Tokens::PerSubject { open, .. }, Some(subject)) => open(subject),
        (Tokens::PerSubject { .. }, None) => return Err(TokenFailure::Start("no subject given".to_owned())),
    };
    let token = first(&handle).await?;
    let patch = usage.patch(&token).map_err(|error| TokenFailure::Start(error.to_string()))?;
    let left = token.expires().map(|end| end.since(clock.now()));
    let left = left.and_then(|left| Some((left, clock.wall().checked_add(left)?)));
    Ok(OneToken { headers: patch.headers, left, token })
}

/// The first token, or the error of the first attempt.
async fn first(handle: &TokenHandle) -> Result<Arc<Token>, TokenFailure> {
    loop {
        if let Some(token) = handle.at_rest().await {
            return Ok(token);
        }
        let status = handle.status();
        match status.last_error {
            Some(error) if status.state == State::Rejected => return Err(TokenFailure::Refused(error.message)),
            Some(error) => return Err(TokenFailure::Failing(error.message)),
            None => handle.changed().await,
        }
    }
}
