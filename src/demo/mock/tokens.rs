//! The tokens that an API issued, and their state.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::received::Bearer;
use super::received::lock;
use super::switches::Terms;
use crate::clock::{Moment, SharedClock};

/// How many tokens are kept; the oldest are dropped first.
const REMEMBERED: usize = 10_000;

/// The state of a token.
pub(super) enum Worth {
    Good,
    Expired(u64),
    Unknown,
}

/// A newly issued token.
pub(super) struct Issued {
    pub(super) token: String,
    pub(super) number: u64,
    pub(super) subject: Option<String>,
    /// The refresh token of its session; `None` if the grant has no session.
    pub(super) refresh_token: Option<String>,
    pub(super) seconds: u64,
    pub(super) ends: SystemTime,
    /// Seconds that the subject's previous token was still valid, if it was.
    pub(super) left: Option<u64>,
}

/// A login that refresh tokens continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    id: u64,
    pub(super) subject: Option<String>,
}

struct AccessToken {
    bearer: Bearer,
    number: u64,
    ends: Option<Moment>,
    session: Option<u64>,
}

struct RefreshToken {
    session: Session,
    used: bool,
}

#[derive(Default)]
struct Book {
    issued: u64,
    sessions: u64,
    access: HashMap<String, AccessToken>,
    refresh: HashMap<String, RefreshToken>,
    order: VecDeque<String>,
}

/// The tokens of one API.
pub(super) struct TokenBook {
    pub(super) clock: SharedClock,
    book: Mutex<Book>,
}

impl TokenBook {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { clock, book: Mutex::default() }
    }

    /// Issues a token on these terms, with a refresh token if there is a session.
    pub(super) fn issue(
        &self,
        terms: &Terms,
        wall: SystemTime,
        subject: Option<String>,
        session: Option<Session>,
    ) -> Issued {
        let now = self.clock.now();
        let ends = wall + terms.life;
        let mut book = lock(&self.book);
        let left = book.left(now, subject.as_ref()).map(|left| left.as_secs());
        if terms.repeats
            && let Some(again) = book.again(now, wall, subject.as_ref())
        {
            return again;
        }
        if terms.exclusive {
            book.access.values_mut().for_each(|access| access.ends = Some(now));
        }
        book.issued += 1;
        let number = book.issued;
        let token = if terms.jwt { web_token(number, wall, ends) } else { random(28) };
        let bearer = Bearer { number: Some(number), subject: subject.clone() };
        let session_id = session.as_ref().map(|session| session.id);
        let access = AccessToken { bearer, number, ends: Some(now + terms.life), session: session_id };
        book.remember(&token);
        book.access.insert(token.clone(), access);
        let refresh_token = session.map(|session| book.refresh_token(session));
        Issued { token, number, subject, refresh_token, seconds: terms.life.as_secs(), ends, left }
    }

    /// Starts a session.
    pub(super) fn session(&self, subject: Option<String>) -> Session {
        let mut book = lock(&self.book);
        book.sessions += 1;
        Session { id: book.sessions, subject }
    }

    /// A refresh token for a session, without a login.
    pub(super) fn refresh_token(&self, session: Session) -> String {
        lock(&self.book).refresh_token(session)
    }

    /// The session of a refresh token. If refresh tokens rotate, a used one ends its session, as if it had been stolen.
    pub(super) fn redeem(&self, token: &str, rotates: bool) -> Option<Session> {
        let mut book = lock(&self.book);
        let known = book.refresh.get_mut(token)?;
        let session = known.session.clone();
        if !known.used {
            known.used = rotates;
            return Some(session);
        }
        book.refresh.retain(|_, other| other.session.id != session.id);
        book.access.retain(|_, access| access.session != Some(session.id));
        None
    }

    /// Accepts `token` from now on, without expiry.
    pub(super) fn accept(&self, token: &str) {
        let mut book = lock(&self.book);
        book.issued += 1;
        let number = book.issued;
        let bearer = Bearer { number: Some(number), subject: None };
        book.remember(token);
        book.access.insert(token.to_owned(), AccessToken { bearer, number, ends: None, session: None });
    }

    /// Identifies a token, valid or not.
    pub(super) fn bearer(&self, token: &str) -> Bearer {
        lock(&self.book).access.get(token).map(|access| access.bearer.clone()).unwrap_or_default()
    }

    pub(super) fn worth(&self, token: &str) -> Worth {
        let book = lock(&self.book);
        let Some(access) = book.access.get(token) else {
            return Worth::Unknown;
        };
        if access.ends.is_some_and(|ends| self.clock.now() >= ends) {
            return Worth::Expired(access.number);
        }
        Worth::Good
    }

    /// Removes a token and returns its number.
    pub(super) fn revoke(&self, token: &str) -> Option<u64> {
        lock(&self.book).access.remove(token).map(|access| access.number)
    }

    /// Expires all tokens.
    pub(super) fn expire(&self) {
        let now = self.clock.now();
        lock(&self.book).access.values_mut().for_each(|access| access.ends = Some(now));
    }

    /// Ends all sessions: refresh tokens stop working.
    pub(super) fn end_sessions(&self) {
        lock(&self.book).refresh.clear();
    }

    /// All tokens and refresh tokens that are kept.
    pub(super) fn secrets(&self) -> Vec<String> {
        lock(&self.book).order.iter().cloned().collect()
    }

    /// A refresh token that does not work.
    pub(super) fn dead_refresh_token(&self) -> String {
        let token = random(36);
        lock(&self.book).remember(&token);
        token
    }
}

impl Book {
    /// The token of this user that expires last, returned again.
    fn again(&self, now: Moment, wall: SystemTime, subject: Option<&String>) -> Option<Issued> {
        let ours = self.access.iter().filter(|(_, access)| access.bearer.subject.as_ref() == subject);
        let (token, access) = ours.max_by_key(|(_, access)| access.ends)?;
        let left = access.ends?.since(now);
        let issued = Issued {
            token: token.clone(),
            number: access.number,
            subject: subject.cloned(),
            refresh_token: None,
            seconds: left.as_secs(),
            ends: wall + left,
            left: Some(left.as_secs()),
        };
        (left > Duration::ZERO).then_some(issued)
    }

    /// How long the token of this user that expires last is still valid, if it is.
    fn left(&self, now: Moment, subject: Option<&String>) -> Option<Duration> {
        let ours = self.access.values().filter(|access| access.bearer.subject.as_ref() == subject);
        let left = ours.filter_map(|access| access.ends).max()?.since(now);
        (left > Duration::ZERO).then_some(left)
    }

    fn remember(&mut self, token: &str) {
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.access.remove(&oldest);
            self.refresh.remove(&oldest);
        }
        self.order.push_back(token.to_owned());
    }

    fn refresh_token(&mut self, session: Session) -> String {
        let token = random(40);
        self.remember(&token);
        self.refresh.insert(token.clone(), RefreshToken { session, used: false });
        token
    }
}

fn random(length: usize) -> String {
    (0..length).map(|_| fastrand::alphanumeric()).collect()
}

/// A token in the format of a JSON Web Token, with a random signature.
fn web_token(number: u64, from: SystemTime, until: SystemTime) -> String {
    let epoch = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let claims = json!({ "sub": "demo", "jti": number, "iat": epoch(from), "exp": epoch(until) });
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), random(43))
}
