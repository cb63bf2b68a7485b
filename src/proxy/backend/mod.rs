//! An upstream's state on the data thread: its connection pools, and its tokens rendered once per generation. Only one thread
//! uses it, so it needs no locks.

pub mod route;
pub(super) mod worker;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::error::ProxyError;
use super::limits::limiter::Limiter;
use super::message::headers::Rules;
use super::settings::Base;
use super::upstream::pool::Pool;
use super::{Tokens, Upstream};
use crate::clock::{Moment, SharedClock};
use crate::token::grant::Token;
use crate::token::handle::TokenHandle;
use crate::token::key::{Subject, SubjectRule};
use crate::token::patch::Patch;
use crate::token::status::NoToken;
use crate::token::subjects::Subjects;

/// The Retry-After for a token that cannot be put on a request: the next token may be valid.
const UNUSABLE: NoToken = NoToken::Failing { retry_after: Duration::from_secs(10) };

/// A token, prepared for requests to this upstream.
pub(crate) struct Rendered {
    pub(crate) token: Arc<Token>,
    /// What it sets on a request.
    pub(crate) patch: Patch,
    /// The pool for the base URL that it is used with.
    pub(crate) pool: Rc<Pool>,
}

type RenderedCell = Rc<RefCell<Option<Rc<Rendered>>>>;

/// The token that one request uses.
pub(crate) struct TokenSlot {
    pub(crate) handle: TokenHandle,
    cached: RenderedCell,
}

enum TokenSlots {
    One(TokenHandle, RenderedCell),
    PerSubject(RefCell<Subjects<RenderedCell>>),
}

pub(crate) struct Backend {
    /// Its settings and tokens.
    pub(crate) upstream: Arc<Upstream>,
    /// The rules for request headers.
    pub(crate) rules: Rc<Rules>,
    token_slots: TokenSlots,
    /// The subjects of earlier versions of this upstream, until they have a token here. They keep the old tokens alive, which the
    /// new owners start from.
    inherited: RefCell<Vec<Subjects<RenderedCell>>>,
    pools: RefCell<Vec<Rc<Pool>>>,
    limiter: Rc<Limiter>,
    clock: SharedClock,
}

impl Backend {
    /// Creates the state. Takes over from `before`, the version that it replaces: the pools, if connections would be made in the
    /// same way, and the subjects.
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        clock: SharedClock,
        limiter: &Rc<Limiter>,
        before: Option<&Self>,
    ) -> Self {
        let limiter = limiter.clone();
        let (token_slots, subject) = match &upstream.tokens {
            Tokens::One(handle) => (TokenSlots::One(handle.clone(), RenderedCell::default()), None),
            Tokens::PerSubject { rule, .. } => {
                (TokenSlots::PerSubject(RefCell::new(Subjects::new(rule.max, rule.idle))), Some(&rule.header))
            }
        };
        let rules = Rc::new(Rules::new(&upstream.settings, &upstream.owned, subject));
        let pools = before.filter(|before| before.connects_like(&upstream)).map(|before| before.pools.borrow().clone());
        let per_subject = matches!(token_slots, TokenSlots::PerSubject(_));
        let inherited = before.filter(|_| per_subject).map(Self::take_subjects).unwrap_or_default().into();
        Self { upstream, rules, token_slots, inherited, pools: pools.unwrap_or_default().into(), limiter, clock }
    }

    /// Whether pools can be shared. Not with an outbound proxy, whose URL may hold a credential that has changed.
    fn connects_like(&self, other: &Upstream) -> bool {
        let (ours, theirs) = (&self.upstream.settings, &other.settings);
        Arc::ptr_eq(&self.upstream.tls, &other.tls)
            && ours.outbound_proxy.is_none()
            && theirs.outbound_proxy.is_none()
            && (&ours.timeouts, &ours.server_name, ours.protocol)
                == (&theirs.timeouts, &theirs.server_name, theirs.protocol)
    }

    /// Gives its subjects to its successor.
    fn take_subjects(&self) -> Vec<Subjects<RenderedCell>> {
        let mut subjects = self.inherited.take();
        if let TokenSlots::PerSubject(own) = &self.token_slots {
            subjects.push(own.replace(Subjects::new(1, Duration::ZERO)));
        }
        subjects.retain(|subjects| !subjects.is_empty());
        subjects
    }

    /// The token slot for this request, chosen by subject if the upstream has subjects.
    pub(crate) fn token_slot(&self, headers: &HeaderMap, now: Moment) -> Result<TokenSlot, ProxyError> {
        match (&self.token_slots, &self.upstream.tokens) {
            (TokenSlots::PerSubject(subjects), Tokens::PerSubject { rule, open }) => {
                let name = subject_name(rule, headers)?;
                let mut subjects = subjects.borrow_mut();
                if let Some(held) = name.and_then(|name| subjects.get(name, now)) {
                    return Ok(TokenSlot { handle: held.token.clone(), cached: held.kept.clone() });
                }
                let subject = subject(rule, name)?;
                let held = subjects.get_or_insert_with(&subject, now, |subject| open(subject));
                Ok(TokenSlot { handle: held.token.clone(), cached: held.kept.clone() })
            }
            (TokenSlots::One(handle, cached), _) => Ok(TokenSlot { handle: handle.clone(), cached: cached.clone() }),
            (TokenSlots::PerSubject(_), Tokens::One(_)) => Err(ProxyError::Subject("the upstream has no subjects")),
        }
    }

    /// Returns the token, rendered. Reuses the last rendering if it is of the same token and that is still usable.
    pub(crate) async fn token(&self, token_slot: &TokenSlot, now: Moment) -> Result<Rc<Rendered>, ProxyError> {
        let cached = token_slot.cached.borrow().clone();
        let current = cached.filter(|cached| cached.token.generation == token_slot.handle.generation());
        if let Some(rendered) = current.filter(|cached| cached.token.is_usable(now)) {
            return Ok(rendered);
        }
        let token = match token_slot.handle.current(now) {
            Some(token) => token,
            None => {
                self.upstream.token_record.token_wait();
                let wait = self.upstream.settings.timeouts.token_wait;
                token_slot.handle.usable(wait).await.map_err(ProxyError::NoToken)?
            }
        };
        self.render(token_slot, token)
    }

    /// Renders a token and keeps the result for the next request.
    pub(crate) fn render(&self, token_slot: &TokenSlot, token: Arc<Token>) -> Result<Rc<Rendered>, ProxyError> {
        let rendered = self.rendered(token).map_err(|why| {
            tracing::warn!(upstream = &*self.upstream.settings.name, why, "the token cannot be added to a request");
            ProxyError::NoToken(UNUSABLE)
        })?;
        *token_slot.cached.borrow_mut() = Some(rendered.clone());
        if let Some(subject) = &rendered.token.subject {
            self.inherited.borrow_mut().iter_mut().for_each(|subjects| subjects.remove(subject));
        }
        Ok(rendered)
    }

    fn rendered(&self, token: Arc<Token>) -> Result<Rc<Rendered>, String> {
        let mut patch = self.upstream.usage.patch(&token).map_err(|error| error.to_string())?;
        // There is one patch per subject, so unused capacity adds up.
        patch.headers.shrink_to_fit();
        let base = match (&patch.base, &self.upstream.settings.base) {
            (Some(text), _) => {
                let base = Base::parse(text).map_err(|why| format!("the base URL in the login's reply {why}"))?;
                Base { chosen: patch.base_is_chosen, ..base }
            }
            (None, Some(base)) => base.clone(),
            (None, None) => {
                return Err("no base URL: neither the configuration nor the login's reply has one".to_owned());
            }
        };
        let pool = self.pool(base)?;
        Ok(Rc::new(Rendered { token, patch, pool }))
    }

    fn pool(&self, base: Base) -> Result<Rc<Pool>, String> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.iter().find(|pool| pool.base == base) {
            return Ok(pool.clone());
        }
        let pool = Rc::new(Pool::new(base, &self.upstream, self.limiter.clone(), self.clock.clone())?);
        self.limiter.watch(&pool);
        pools.push(pool.clone());
        Ok(pool)
    }

    /// Drops connections and subjects that have been idle for too long.
    pub(crate) fn sweep(&self, now: Moment) {
        let mut pools = self.pools.borrow_mut();
        pools.iter().for_each(|pool| pool.sweep(now));
        // Usually there is a single base URL, whose pool stays. Of several, only those that a token still uses stay.
        if pools.len() > 1 {
            pools.retain(|pool| Rc::strong_count(pool) > 1);
        }
        if let TokenSlots::PerSubject(subjects) = &self.token_slots {
            let (mut subjects, mut inherited) = (subjects.borrow_mut(), self.inherited.borrow_mut());
            subjects.sweep(now);
            inherited.iter_mut().for_each(|subjects| subjects.sweep(now));
            inherited.retain(|subjects| !subjects.is_empty());
            let held = inherited.iter().map(Subjects::len).fold(subjects.len(), usize::saturating_add);
            self.upstream.token_record.set_subjects(held as u64);
        }
    }
}

/// The subject that the caller names.
fn subject_name<'a>(rule: &SubjectRule, headers: &'a HeaderMap) -> Result<Option<&'a str>, ProxyError> {
    let mut lines = headers.get_all(&rule.header).iter();
    let (first, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(ProxyError::Subject("more than one subject header"));
    }
    let text = first.map(|name| name.to_str()).transpose();
    text.map_err(|_| ProxyError::Subject("the subject is not text"))
}

/// Validates the subject, or returns the default.
fn subject(rule: &SubjectRule, name: Option<&str>) -> Result<Subject, ProxyError> {
    match name {
        None => rule.default.clone().ok_or(ProxyError::Subject("missing subject header")),
        Some(name) => {
            rule.pattern.subject(name).ok_or(ProxyError::Subject("the subject does not match the flow's pattern"))
        }
    }
}
