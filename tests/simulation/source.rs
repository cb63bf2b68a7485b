//! A simulated flow: each token request goes to the simulated server, which replies as the history says.

use std::sync::Arc;
use std::time::Duration;

use bearerd::clock::{Clock, Moment};
use bearerd::secret::Secret;
use bearerd::token::grant::{Grant, Life as TokenLife};
use bearerd::token::key::Subject;
use bearerd::token::source::{Ask, BoxFuture, MintError, Outcome, Source, Step};
use tokio::sync::oneshot;

use crate::history::{Refreshing, Reply};
use crate::log::{End, Event, Owner};
use crate::mutation::Mutation;
use crate::server::{Granted, Refusal, Server, first_refresh_token};
use crate::store::seconds;
use crate::world::{Life, World};

/// The flow of one process with one secret, for one subject.
pub struct SimSource {
    pub life: Arc<Life>,
    pub owner: Owner,
}

/// A request on the wire.
#[derive(Clone)]
struct Wire {
    step: Step,
    with: Option<String>,
    owner: Owner,
}

type Answer = Result<Granted, MintError>;

impl Source for SimSource {
    fn can_login(&self) -> bool {
        self.life.world.setup.login
    }

    fn can_refresh(&self, previous: Option<&Grant>, rejected: bool) -> bool {
        let now = self.life.clock.now();
        match self.life.world.setup.refresh {
            Refreshing::No => false,
            Refreshing::Rotating | Refreshing::Kept => {
                !self.can_login() || previous.is_some_and(|grant| grant.refresh.is_some())
            }
            Refreshing::ByAccess => previous.is_some_and(|grant| {
                let alive = !matches!(grant.life, TokenLife::Until(end) if end <= now);
                alive && !rejected
            }),
        }
    }

    fn mint<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Grant, MintError>> {
        let (call, late) = (self.call(ask), || Err(error(Outcome::Timeout)));
        Box::pin(
            async move { bearerd::clock::within(&*self.life.clock, ask.patience, call).await.unwrap_or_else(late) },
        )
    }

    fn revoke<'a>(&'a self, _: Option<&'a Subject>, grant: &'a Grant) -> BoxFuture<'a, Result<(), MintError>> {
        Box::pin(async move {
            self.life.beat().await;
            let access = grant.access.expose().to_owned();
            self.life.log(Event::Revoked { owner: self.owner, access: access.clone() });
            tokio::time::sleep(self.life.world.while_of(200)).await;
            self.life.world.state().server.revoke(&access);
            Ok(())
        })
    }

    fn can_revoke(&self) -> bool {
        self.life.world.setup.revokes
    }

    fn revokes_at_shutdown(&self) -> bool {
        self.life.world.setup.revokes && self.owner.subject == 0
    }
}

impl SimSource {
    async fn call(&self, ask: Ask<'_>) -> Result<Grant, MintError> {
        self.life.beat().await;
        let issued = self.life.clock.now();
        let step = if self.life.world.breaks(Mutation::LogsInAlways) { Step::Login } else { ask.step };
        let ask = Ask { step, ..ask };
        let wire = self.wire(&ask);
        let world = &self.life.world;
        let mut open = Open { life: &self.life, owner: self.owner, id: world.next_id(), over: false };
        let refresh = wire.with.clone().filter(|_| world.setup.refresh != Refreshing::ByAccess);
        let trap = if wire.with.is_some() { self.life.traps.lock().unwrap().freeze_at_refresh.take() } else { None };
        open.sent(&wire, refresh);
        let (tell, told) = oneshot::channel();
        tokio::spawn(exchange(Arc::clone(&self.life), open.id, wire, tell));
        if let Some(seconds) = trap {
            self.life.freeze(seconds);
        }
        let Ok(answer) = told.await else { return std::future::pending().await };
        self.life.beat().await;
        // Reading a reply takes several turns of several tasks.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let stood_still = self.life.clock.now().since(issued) > seconds(15);
        if stood_still && world.breaks(Mutation::ThrowsRepliesAway) {
            return std::future::pending().await;
        }
        let refresh_in = world.setup.refresh_in.map(seconds);
        let result = answer.map(|granted| Grant { refresh_in, ..grant(granted, issued, &ask) });
        open.ended(&self.life, &result);
        for _ in 0..if world.breaks(Mutation::Insists) { 20 } else { 0 } {
            let mut again = Open { life: &self.life, owner: self.owner, id: world.next_id(), over: false };
            again.sent(&self.wire(&ask), None);
            again.ended(&self.life, &result);
        }
        if world.mutation == Some(Mutation::AsksTwice) && ask.step == Step::Login {
            let twice = Open { life: &self.life, owner: self.owner, id: world.next_id(), over: false };
            twice.sent(&self.wire(&ask), None);
            twice.sent(&self.wire(&ask), None);
        }
        result
    }

    fn wire(&self, ask: &Ask<'_>) -> Wire {
        let setup = &self.life.world.setup;
        let with = match (ask.step, setup.refresh) {
            (Step::Login, _) => None,
            (Step::Refresh, Refreshing::ByAccess) => ask.previous.map(|grant| grant.access.expose().to_owned()),
            (Step::Refresh, _) => {
                let known =
                    ask.previous.and_then(|grant| grant.refresh.as_ref()).map(|secret| secret.expose().to_owned());
                known.or_else(|| Some(first_refresh_token(self.owner.subject)))
            }
        };
        Wire { step: ask.step, with, owner: self.owner }
    }
}

/// A running request; dropping it cancels it.
struct Open<'a> {
    life: &'a Life,
    owner: Owner,
    id: u32,
    over: bool,
}

impl Open<'_> {
    fn sent(&self, wire: &Wire, refresh: Option<String>) {
        self.life.log(Event::Sent { id: self.id, owner: self.owner, step: wire.step, refresh });
    }

    fn ended(&mut self, life: &Life, result: &Result<Grant, MintError>) {
        self.over = true;
        let end = match result {
            Ok(grant) => End::Granted {
                access: grant.access.expose().to_owned(),
                refresh: grant.refresh.as_ref().map(|secret| secret.expose().to_owned()),
                issued: life.clock.in_world(grant.issued),
                until: match grant.life {
                    TokenLife::Until(end) => Some(life.clock.in_world(end)),
                    TokenLife::UntilRejected => None,
                },
                refresh_in: grant.refresh_in,
            },
            Err(error) => {
                End::Failed { outcome: error.outcome, dead: error.grant_is_dead, retry_after: error.retry_after }
            }
        };
        self.life.log(Event::Answered { id: self.id, owner: self.owner, end });
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.life.log(Event::Answered { id: self.id, owner: self.owner, end: End::Cut });
        }
    }
}

/// The server's side. It continues even if the client is gone.
async fn exchange(life: Arc<Life>, id: u32, wire: Wire, tell: oneshot::Sender<Answer>) {
    let world = Arc::clone(&life.world);
    let broken = world.breaks(Mutation::StaysBroken) && world.state().healed;
    let usual = if broken { Reply::Broken } else { Reply::Good };
    let reply = world.state().replies.pop_front().unwrap_or(usual);
    tokio::time::sleep(world.while_of(200)).await;
    let answer = match reply {
        Reply::Good | Reply::Late(_) | Reply::Twice(_) => ask(&world, &wire),
        Reply::Never { takes_effect } => {
            takes_effect.then(|| ask(&world, &wire));
            return;
        }
        Reply::Busy(after) => Err(MintError { retry_after: Some(seconds(after)), ..error(Outcome::Status) }),
        Reply::Broken => Err(error(Outcome::Status)),
        Reply::Unreachable => Err(error(Outcome::Connect)),
        Reply::Garbage => ask(&world, &wire).and(Err(error(Outcome::BadReply))),
        Reply::Known => known(&world, &wire),
        Reply::Living(life) => ask_for(&world, &wire, life),
        Reply::Refused => Err(error(Outcome::Rejected)),
        Reply::DeadGrant => Err(MintError { grant_is_dead: true, ..error(Outcome::Rejected) }),
    };
    let later = if let Reply::Late(by) = reply { seconds(by) } else { world.while_of(200) };
    tokio::time::sleep(later).await;
    if tell.send(answer).is_ok() {
        life.log(Event::Arrived { id });
    }
    if let Reply::Twice(after) = reply {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let _ = ask(&world, &wire);
    }
}

fn ask(world: &World, wire: &Wire) -> Answer {
    ask_for(world, wire, world.setup.life)
}

fn ask_for(world: &World, wire: &Wire, life: Option<u64>) -> Answer {
    let now = world.time.now();
    let mut state = world.state();
    take(&mut state.server, now, wire, life.map(seconds))
        .map_err(|refusal| MintError { grant_is_dead: refusal == Refusal::Grant, ..error(Outcome::Rejected) })
}

fn take(server: &mut Server, now: Duration, wire: &Wire, life: Option<Duration>) -> Result<Granted, Refusal> {
    match &wire.with {
        Some(with) => server.refresh(now, wire.owner.secret, with, life),
        None => server.login(now, wire.owner.secret, wire.owner.subject, life),
    }
}

fn known(world: &World, wire: &Wire) -> Answer {
    let now = world.time.now();
    let known = world.state().server.known(now, wire.owner.subject);
    known.map_or_else(|| ask(world, wire), Ok)
}

/// The grant of a reply. Without a new refresh token, the old one is kept.
fn grant(granted: Granted, issued: Moment, ask: &Ask<'_>) -> Grant {
    let kept = ask.previous.filter(|_| ask.step == Step::Refresh).and_then(|grant| grant.refresh.clone());
    Grant {
        access: Secret::new(granted.access),
        refresh: granted.refresh.map(Secret::new).or(kept),
        captures: Default::default(),
        issued,
        life: granted.expires_in.map_or(TokenLife::UntilRejected, |life| TokenLife::Until(issued + life)),
        refresh_in: None,
    }
}

fn error(outcome: Outcome) -> MintError {
    MintError::new(outcome, format!("simulated: {}", outcome.as_str()))
}
