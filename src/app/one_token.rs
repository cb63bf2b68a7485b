//! One token and no proxy. It comes by the same pool, store and lease as a proxy's, and what it costs is saved: a running
//! proxy that shares the store finds its refresh token replaced, never used up.

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

/// A token, as its API takes it.
pub struct OneToken {
    /// The token.
    pub token: Arc<Token>,
    /// Headers that the flow sets with it.
    pub headers: Vec<(CasedName, HeaderValue)>,
    /// For how long it can still be used, and until when by the wall's clock; `None` if nobody said.
    pub left: Option<(Duration, SystemTime)>,
}

/// Why there is none. The texts are for people and hold no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenFailure {
    /// It could not even be asked for.
    Start(String),
    /// The credentials are refused.
    Refused(String),
    /// The token endpoint does not give one.
    Failing(String),
}

/// Gets the token of this upstream, and of this subject where it has one for each.
pub fn token(
    settings: &Settings,
    upstream: UpstreamConfig,
    subject: Option<Subject>,
) -> Result<OneToken, TokenFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| TokenFailure::Start(error.to_string()))?;
    let got = runtime.block_on(get(settings, upstream, subject));
    // A name that is being looked up would keep the runtime waiting.
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

/// The first token, or what became of the first attempt at one.
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
