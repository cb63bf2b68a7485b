//! A token endpoint for tests: a closure replies, and the calls are recorded.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Moment, SharedClock};
use crate::secret::Secret;
use crate::token::grant::{Grant, Life};
use crate::token::key::Subject;
use crate::token::source::{Ask, BoxFuture, MintError, Outcome, QueuePlace, Source, Step};

/// One request as the endpoint saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Call {
    pub(crate) step: Step,
    /// The refresh token that was sent.
    pub(crate) refresh: Option<String>,
    pub(crate) at: Moment,
}

/// The script: gets the number of the call, from 1, and the call.
pub(crate) type Script = Box<dyn FnMut(usize, &Call) -> Reply + Send>;
/// A reply, and how long it takes.
pub(crate) type Reply = (Duration, Result<Grant, MintError>);

/// A scripted endpoint.
pub(crate) struct FakeSource {
    clock: SharedClock,
    script: Mutex<Script>,
    calls: Mutex<Vec<Call>>,
    revoked: Mutex<Vec<String>>,
    pub(crate) login: bool,
    pub(crate) revokes: bool,
    pub(crate) at_shutdown: bool,
    /// How long each attempt waits in the queue.
    pub(crate) line: Duration,
    /// The access token that no request can carry.
    pub(crate) unsendable: Option<&'static str>,
}

impl FakeSource {
    pub(crate) fn new(clock: SharedClock, script: impl FnMut(usize, &Call) -> Reply + Send + 'static) -> Self {
        let script: Mutex<Script> = Mutex::new(Box::new(script));
        Self {
            clock,
            script,
            calls: Mutex::default(),
            revoked: Mutex::default(),
            login: true,
            revokes: false,
            at_shutdown: false,
            line: Duration::ZERO,
            unsendable: None,
        }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.calls().iter().map(|call| call.step).collect()
    }

    pub(crate) fn revoked(&self) -> Vec<String> {
        self.revoked.lock().unwrap().clone()
    }
}

/// A reply after 100 ms.
pub(crate) fn answer(result: Result<Grant, MintError>) -> Reply {
    (Duration::from_millis(100), result)
}

/// The token `t<number>`.
pub(crate) fn grant(number: usize, issued: Moment, life: Duration) -> Grant {
    Grant {
        access: Secret::new(format!("t{number}")),
        refresh: None,
        captures: std::collections::BTreeMap::new(),
        issued,
        life: Life::Until(issued + life),
        refresh_in: None,
    }
}

/// The same with the refresh token `r<number>`.
pub(crate) fn rotating(number: usize, issued: Moment, life: Duration) -> Grant {
    Grant { refresh: Some(Secret::new(format!("r{number}"))), ..grant(number, issued, life) }
}

pub(crate) fn error(outcome: Outcome) -> MintError {
    MintError::new(outcome, format!("it was {}", outcome.as_str()))
}

impl Source for FakeSource {
    fn can_login(&self) -> bool {
        self.login
    }

    fn can_refresh(&self, previous: Option<&Grant>, _rejected: bool) -> bool {
        !self.login || previous.is_some_and(|grant| grant.refresh.is_some())
    }

    fn is_sendable(&self, grant: &Grant, _: Option<&Subject>) -> bool {
        self.unsendable != Some(grant.access.expose())
    }

    fn place(&self, _new: bool) -> BoxFuture<'_, QueuePlace> {
        Box::pin(async {
            tokio::time::sleep(self.line).await;
            Box::new(()) as QueuePlace
        })
    }

    fn mint<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Grant, MintError>> {
        let refresh = ask.previous.filter(|_| ask.step == Step::Refresh).and_then(|grant| grant.refresh.as_ref());
        let call =
            Call { step: ask.step, refresh: refresh.map(|secret| secret.expose().to_owned()), at: self.clock.now() };
        self.calls.lock().unwrap().push(call.clone());
        let number = self.count();
        let (takes, result) = self.script.lock().unwrap_or_else(PoisonError::into_inner)(number, &call);
        let late = || Err(error(Outcome::Timeout));
        Box::pin(async move {
            clock::within(&*self.clock, ask.patience, tokio::time::sleep(takes)).await.map_or_else(late, |()| result)
        })
    }

    fn revoke<'a>(&'a self, _: Option<&'a Subject>, grant: &'a Grant) -> BoxFuture<'a, Result<(), MintError>> {
        self.revoked.lock().unwrap().push(grant.access.expose().to_owned());
        Box::pin(async { Ok(()) })
    }

    fn can_revoke(&self) -> bool {
        self.revokes
    }

    fn revokes_at_shutdown(&self) -> bool {
        self.at_shutdown
    }
}
