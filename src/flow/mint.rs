//! A flow as a source of tokens: one HTTP exchange at a time.

mod seed;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use self::seed::{SEED, is_of, mark_of};
use super::address::{self, Hosts};
use super::client::{NoReply, Reply, TokenClient};
use super::reply::ReplyReader;
use super::reply::mask::Mask;
use super::reply::refusal;
use super::request::{TokenRequest, UrlPolicy};
use super::template::{Lookup, days_ahead};
use crate::secret::Secret;
use crate::token::action::Action;
use crate::token::grant::{Generation, Grant, Life, Token};
use crate::token::key::{RecipeWriter, Subject};
use crate::token::source::{Ask, BoxFuture, MintError, Outcome, QueuePlace, Source, Step};
use crate::token::usage::Usage;

/// The time limit of a revocation.
const REVOCATION: Duration = Duration::from_secs(10);

/// The requests of a flow, with its variables filled in.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) token: Option<TokenCall>,
    pub(super) refresh: Option<TokenCall>,
    pub(super) revoke: Option<TokenRequest>,
    /// Whether tokens are revoked at shutdown too, not only when they have no reader.
    pub(super) revoke_at_shutdown: bool,
    /// The given refresh token, in flows that start from one.
    pub(super) seed: Option<Secret>,
    pub(super) hosts: Hosts,
    pub(super) captures: Vec<String>,
    pub(super) origin: Option<String>,
    pub(super) plaintext: bool,
    /// The values that act as the token in flows without a token request.
    pub(super) fixed: Vec<Secret>,
    /// Secrets that no message may show.
    pub(super) secrets: Vec<Secret>,
    pub(super) usage: Option<Arc<dyn Usage>>,
}

/// A token request, and how to read its reply.
pub(super) struct TokenCall {
    pub(super) request: TokenRequest,
    pub(super) read: ReplyReader,
    pub(super) ttl: Option<Duration>,
}

/// A flow's requests and its client.
pub(super) struct FlowSource {
    pub(super) calls: Arc<Calls>,
    pub(super) client: TokenClient,
}

/// The values that templates can use at the time of a request.
struct TemplateValues<'a> {
    subject: Option<&'a Subject>,
    previous: Option<&'a Grant>,
    refresh: Option<&'a Secret>,
    wall: SystemTime,
}

impl Lookup for TemplateValues<'_> {
    fn value(&self, name: &str) -> Option<String> {
        let now = OffsetDateTime::from(self.wall);
        let text = match name {
            "subject" => self.subject?.as_str().to_owned(),
            "token" => self.previous?.access.expose().to_owned(),
            "refresh_token" => self.refresh?.expose().to_owned(),
            "now" => now.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()?,
            "uuid" => uuid(fastrand::u128(..)),
            name => match days_ahead(name) {
                Some(days) => {
                    let day = now.date().checked_add(time::Duration::days(days.into()))?;
                    day.format(format_description!("[year]-[month]-[day]")).ok()?
                }
                None => self.previous?.captures.get(name)?.expose().to_owned(),
            },
        };
        (!text.is_empty()).then_some(text)
    }
}

/// A UUID (RFC 9562, version 4).
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

impl FlowSource {
    fn scope<'a>(&'a self, subject: Option<&'a Subject>, previous: Option<&'a Grant>) -> TemplateValues<'a> {
        TemplateValues { subject, previous, refresh: self.calls.refresh_token(previous), wall: self.client.wall() }
    }

    async fn call(&self, call: &TokenCall, ask: Ask<'_>) -> Result<Grant, MintError> {
        let scope = self.scope(ask.subject, ask.previous.filter(|_| ask.step == Step::Refresh));
        let mask = self.calls.mask(&self.scope(ask.subject, ask.previous));
        let (what, reply) = self.send(&call.request, &scope, &mask, ask.patience).await?;
        if !reply.status.is_success() {
            return Err(refusal::refused(&what, &reply, &mask));
        }
        let grant = call.read.grant(&reply, scope.previous, call.ttl);
        let mut grant = grant.map_err(|why| refusal::unusable(&what, &why, &reply, &mask))?;
        if let Err(why) = self.calls.sendable(&grant, ask.subject) {
            return Err(refusal::unusable(
                &what,
                &format!("its token cannot be sent: {}", mask.clean(&why)),
                &reply,
                &mask,
            ));
        }
        if let Some(seed) = &self.calls.seed {
            grant.refresh = grant.refresh.or_else(|| scope.refresh.cloned());
            let mark = scope.previous.and_then(|grant| grant.captures.get(SEED)).filter(|mark| is_of(mark, seed));
            grant.captures.insert(SEED.to_owned(), mark.cloned().unwrap_or_else(|| mark_of(seed, fastrand::u128(..))));
        }
        Ok(grant)
    }

    /// Sends a request and returns its description and the reply.
    async fn send(
        &self,
        request: &TokenRequest,
        scope: &TemplateValues<'_>,
        mask: &Mask,
        patience: Duration,
    ) -> Result<(String, Reply), MintError> {
        let built = request.build(scope, &self.calls.url_policy());
        let request = built.map_err(|why| MintError::new(Outcome::BadReply, mask.clean(&why)))?;
        let url = url::Url::parse(&request.uri().to_string());
        let shown = url.map_or_else(|_| String::new(), |url| address::shown(&url));
        let what = mask.clean(&format!("{} {shown}", request.method()));
        match self.client.send(request, patience).await {
            Ok(reply) => Ok((what, reply)),
            Err(NoReply { outcome, why }) => {
                Err(MintError { action: Some(Action::Wait), ..MintError::new(outcome, format!("{what}: {why}")) })
            }
        }
    }

    async fn end(&self, request: &TokenRequest, scope: TemplateValues<'_>) -> Result<(), MintError> {
        let mask = self.calls.mask(&scope);
        let _place = self.client.place(true).await;
        let (what, reply) = self.send(request, &scope, &mask, REVOCATION).await?;
        if reply.status.is_success() { Ok(()) } else { Err(refusal::refused(&what, &reply, &mask)) }
    }

    /// The grant of a flow without a token request: the variables are its token.
    fn granted_by_nobody(&self) -> Grant {
        Grant {
            access: Secret::new(""),
            refresh: None,
            captures: Default::default(),
            issued: self.client.now(),
            life: Life::UntilRejected,
            refresh_in: None,
        }
    }
}

impl Calls {
    /// The refresh token to send: that of the grant, unless the user has configured another one since.
    fn refresh_token<'a>(&'a self, previous: Option<&'a Grant>) -> Option<&'a Secret> {
        let Some(seed) = &self.seed else { return previous?.refresh.as_ref() };
        let own = |grant: &&Grant| grant.captures.get(SEED).is_none_or(|mark| is_of(mark, seed));
        previous.filter(own).and_then(|grant| grant.refresh.as_ref()).or(Some(seed))
    }

    /// Whether API requests can carry this token. Checked when it arrives, not at each request.
    fn sendable(&self, grant: &Grant, subject: Option<&Subject>) -> Result<(), String> {
        let Some(usage) = &self.usage else { return Ok(()) };
        let token = Token {
            generation: Generation::default(),
            subject: subject.cloned(),
            access: grant.access.clone(),
            captures: grant.captures.clone(),
            issued: grant.issued,
            life: grant.life,
        };
        usage.patch(&token).map(drop).map_err(|error| error.to_string())
    }

    /// Adds everything that determines the token.
    pub(super) fn write_recipe(&self, recipe: &mut RecipeWriter) {
        for (kind, call) in [("token", &self.token), ("refresh", &self.refresh)] {
            let Some(call) = call else { continue };
            recipe.part("call", kind.as_bytes());
            call.request.write_recipe(recipe);
            call.read.write_recipe(recipe);
            recipe.part("ttl", format!("{:?}", call.ttl).as_bytes());
        }
        if let Some(revoke) = &self.revoke {
            recipe.part("call", b"revoke");
            revoke.write_recipe(recipe);
        }
        for secret in self.seed.iter().chain(&self.fixed) {
            recipe.secret("given", secret);
        }
    }

    pub(super) fn url_policy(&self) -> UrlPolicy<'_> {
        let Self { hosts, captures, origin, plaintext, .. } = self;
        UrlPolicy { plaintext: *plaintext, hosts, captures, origin: origin.as_deref() }
    }

    /// Everything secret that a server could echo.
    fn mask(&self, scope: &TemplateValues<'_>) -> Mask {
        let mut mask = Mask::default();
        let grant = scope.previous.into_iter();
        let granted = grant.flat_map(|grant| grant.captures.values().chain([&grant.access]).chain(&grant.refresh));
        for secret in self.secrets.iter().chain(granted).chain(scope.refresh) {
            mask.add(secret.expose());
        }
        scope.subject.iter().for_each(|subject| mask.add(subject.as_str()));
        let calls = self.token.iter().chain(&self.refresh).map(|call| &call.request);
        let pairs = calls.chain(&self.revoke).filter_map(|request| request.basic_pair(scope));
        pairs.for_each(|pair| mask.add_pair(pair));
        mask
    }
}

impl Source for FlowSource {
    fn can_login(&self) -> bool {
        self.calls.token.is_some() || self.calls.refresh.is_none()
    }

    fn can_refresh(&self, previous: Option<&Grant>, rejected: bool) -> bool {
        let Some(call) = &self.calls.refresh else { return false };
        if call.request.uses("refresh_token") {
            return self.calls.refresh_token(previous).is_some();
        }
        let Some(previous) = previous else { return false };
        let alive = match previous.life {
            Life::Until(end) => self.client.now() < end,
            Life::UntilRejected => true,
        };
        !call.request.uses("token") || (alive && !rejected)
    }

    fn place(&self, new: bool) -> BoxFuture<'_, QueuePlace> {
        let asks = self.calls.token.is_some() || self.calls.refresh.is_some();
        Box::pin(async move { if asks { self.client.place(new).await } else { Box::new(()) as QueuePlace } })
    }

    fn is_sendable(&self, grant: &Grant, subject: Option<&Subject>) -> bool {
        self.calls.sendable(grant, subject).is_ok()
    }

    fn mint<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Grant, MintError>> {
        let call = match ask.step {
            Step::Login => self.calls.token.as_ref(),
            Step::Refresh => self.calls.refresh.as_ref(),
        };
        Box::pin(async move {
            match call {
                Some(call) => self.call(call, ask).await,
                None if self.can_login() && ask.step == Step::Login => Ok(self.granted_by_nobody()),
                None => Err(MintError::new(Outcome::BadReply, "the flow has no such request")),
            }
        })
    }

    fn revoke<'a>(&'a self, subject: Option<&'a Subject>, grant: &'a Grant) -> BoxFuture<'a, Result<(), MintError>> {
        let scope = self.scope(subject, Some(grant));
        Box::pin(async move {
            match &self.calls.revoke {
                Some(request) => self.end(request, scope).await,
                None => Ok(()),
            }
        })
    }

    fn can_revoke(&self) -> bool {
        self.calls.revoke.is_some()
    }

    fn revokes_at_shutdown(&self) -> bool {
        self.calls.revoke_at_shutdown
    }
}

#[cfg(test)]
mod tests;
