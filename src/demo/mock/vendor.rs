//! One mocked API: its address, its tokens and its switches.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::broadcast;

use super::answer::{EndpointRequest, bearer};
use super::api::Api;
use super::event::{Event, What};
use super::received::{Bearer, Kind, Log};
use super::switches::{Behaviour, Said, Switches, Terms};
use super::tokens::{Issued, Session, TokenBook, Worth};
use crate::clock::SharedClock;

/// One mocked API and its switches.
pub struct Vendor {
    pub api: Api,
    address: SocketAddr,
    pub(super) tokens: TokenBook,
    pub(super) switches: Switches,
    pub(super) log: Arc<Log>,
    events: broadcast::Sender<Event>,
}

impl Vendor {
    pub(super) fn new(
        api: Api,
        address: SocketAddr,
        clock: SharedClock,
        log: Arc<Log>,
        events: broadcast::Sender<Event>,
    ) -> Self {
        Self { api, address, tokens: TokenBook::new(clock), switches: Switches::new(api), log, events }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.api.base_path())
    }

    /// The URL of the login endpoint.
    pub fn token_url(&self) -> String {
        format!("{}{}", self.url(), self.api.token_path())
    }

    /// Sets the behaviour for requests of this kind, stalled ones included.
    pub fn set(&self, kind: Kind, behaviour: Behaviour) {
        self.switches.set(kind, behaviour);
    }

    /// Sets the behaviour for one request of this kind, before the general one; several calls queue up.
    pub fn next(&self, kind: Kind, behaviour: Behaviour) {
        self.switches.next(kind, behaviour);
    }

    /// Continues stalled requests, and stops stalling.
    pub fn release(&self, kind: Kind) {
        self.switches.release(kind);
    }

    /// Sets the lifetime of new tokens; replies state it in whole seconds.
    pub fn lives(&self, life: Duration) {
        self.switches.change_terms(|terms| terms.life = life);
    }

    /// Sets what replies say about lifetimes.
    pub fn says(&self, said: Said) {
        self.switches.change_terms(|terms| terms.said = said);
    }

    /// Whether tokens have the format of JSON Web Tokens, with the true expiry in `exp`.
    pub fn jwt(&self, jwt: bool) {
        self.switches.change_terms(|terms| terms.jwt = jwt);
    }

    /// Whether refresh tokens can be used only once.
    pub fn rotates(&self, rotates: bool) {
        self.switches.change_terms(|terms| terms.rotates = rotates);
    }

    /// Whether a refused call gets its response before its body was read.
    pub fn hasty(&self, hasty: bool) {
        self.switches.change_terms(|terms| terms.hasty = hasty);
    }

    /// Whether a login returns the current token again, with the rest of its lifetime.
    pub fn repeats(&self, repeats: bool) {
        self.switches.change_terms(|terms| terms.repeats = repeats);
    }

    /// Whether a new token invalidates the previous ones.
    pub fn exclusive(&self, exclusive: bool) {
        self.switches.change_terms(|terms| terms.exclusive = exclusive);
    }

    /// Sets the error of the vendor's clock, which affects `Date` and every date in replies.
    pub fn clock_is_off(&self, ahead: Duration, behind: Duration) {
        self.switches.change_terms(|terms| terms.skew = [ahead, behind]);
    }

    /// Closes all connections, in use or idle.
    pub fn hang_up(&self) {
        self.switches.hang_up.send_replace(());
    }

    /// Accepts only this secret or password from now on.
    pub fn accept_secret(&self, secret: &str) {
        self.switches.change_terms(|terms| secret.clone_into(&mut terms.secret));
    }

    /// Also accepts this token from now on.
    pub fn accept_token(&self, token: &str) {
        self.tokens.accept(token);
    }

    /// Expires all access tokens; refresh tokens stay.
    pub fn expire_tokens(&self) {
        self.tokens.expire();
    }

    /// Invalidates all refresh tokens; access tokens stay.
    pub fn end_sessions(&self) {
        self.tokens.end_sessions();
    }

    /// A valid refresh token without a login.
    pub fn new_refresh_token(&self) -> String {
        self.tokens.refresh_token(self.tokens.session(None))
    }

    /// Releases one response of `/slow-head`, waiting or future.
    pub fn release_head(&self) {
        self.switches.heads.add_permits(1);
    }

    /// Releases one piece of `/drip?hold`.
    pub fn release_piece(&self) {
        self.switches.pieces.add_permits(1);
    }

    /// Everything that may appear only in requests: credentials, and all tokens that it issued.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.tokens.secrets();
        secrets.push(self.switches.terms().secret);
        secrets.push(self.api.credentials().secret.to_owned());
        if self.api == Api::Oauth {
            secrets.push(super::api::OAUTH_USER.secret.to_owned());
        }
        secrets.retain(|secret| !secret.is_empty());
        secrets
    }

    pub(super) fn terms(&self) -> Terms {
        self.switches.terms()
    }

    /// Whether these are the credentials. Bytes, because Basic can carry any.
    pub(super) fn knows(&self, id: &[u8], secret: &[u8]) -> bool {
        id == self.api.credentials().id.as_bytes() && secret == self.terms().secret.as_bytes()
    }

    /// The vendor's wall clock.
    pub(super) fn wall(&self) -> SystemTime {
        let [ahead, behind] = self.terms().skew;
        self.tokens.clock.wall() + ahead - behind
    }

    /// Issues a token on the current terms.
    pub(super) fn issue(&self, asked: &EndpointRequest, subject: Option<String>, session: Option<Session>) -> Issued {
        let issued = self.tokens.issue(&self.terms(), self.wall(), subject, session);
        let what = What::Issued {
            kind: asked.kind,
            number: issued.number,
            subject: issued.subject.clone(),
            seconds: issued.seconds,
            left: issued.left,
        };
        self.tell(what);
        // A request gets one token at most.
        let _ = asked.issued.set(Bearer { number: Some(issued.number), subject: issued.subject.clone() });
        issued
    }

    /// The state of a call's token.
    pub(super) fn worth(&self, token: &str) -> Worth {
        let worth = self.tokens.worth(token);
        if let Worth::Expired(number) = worth {
            self.tell(What::Expired { number });
        }
        worth
    }

    /// Sends an event, if there is a receiver.
    pub(super) fn tell(&self, what: What) {
        if self.events.receiver_count() > 0 {
            // The last receiver may be gone by now.
            let _ = self.events.send(Event { api: self.api, what });
        }
    }

    pub(super) fn tell_call(&self, head: &http::request::Parts) {
        if self.events.receiver_count() > 0 {
            let bearer = self.tokens.bearer(bearer(&head.headers).unwrap_or_default());
            let path = head.uri.path().to_owned();
            self.tell(What::Called { method: head.method.to_string(), path, number: bearer.number });
        }
    }
}
