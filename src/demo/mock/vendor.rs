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

/// One mocked API, and the switches that turn it.
pub struct Vendor {
    /// Which one it is.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.api.base_path())
    }

    /// The URL that logs in.
    pub fn token_url(&self) -> String {
        format!("{}{}", self.url(), self.api.token_path())
    }

    /// From now on requests of this kind meet this behaviour; stalled ones too.
    pub fn set(&self, kind: Kind, behaviour: Behaviour) {
        self.switches.set(kind, behaviour);
    }

    /// One request of this kind meets this behaviour, before what is set; several queue up.
    pub fn next(&self, kind: Kind, behaviour: Behaviour) {
        self.switches.next(kind, behaviour);
    }

    /// Lets stalled requests go on, and stops stalling.
    pub fn release(&self, kind: Kind) {
        self.switches.release(kind);
    }

    /// Tokens given from now on live so long, and the reply says so in whole seconds.
    pub fn lives(&self, life: Duration) {
        self.switches.change_terms(|terms| terms.life = life);
    }

    /// What replies say about lives, true or not.
    pub fn says(&self, said: Said) {
        self.switches.change_terms(|terms| terms.said = said);
    }

    /// Whether tokens look like JSON Web Tokens, with the true end in `exp`.
    pub fn jwt(&self, jwt: bool) {
        self.switches.change_terms(|terms| terms.jwt = jwt);
    }

    /// Whether a refresh token may be used once only.
    pub fn rotates(&self, rotates: bool) {
        self.switches.change_terms(|terms| terms.rotates = rotates);
    }

    /// Whether a call that is refused is answered at once, before its body was read.
    pub fn hasty(&self, hasty: bool) {
        self.switches.change_terms(|terms| terms.hasty = hasty);
    }

    /// Whether a login gives the token that is out once more, with what is left of its life.
    pub fn repeats(&self, repeats: bool) {
        self.switches.change_terms(|terms| terms.repeats = repeats);
    }

    /// Whether a new token ends those that are out.
    pub fn exclusive(&self, exclusive: bool) {
        self.switches.change_terms(|terms| terms.exclusive = exclusive);
    }

    /// Sets the vendor's own clock ahead of the true one, or behind: `Date` and every date it writes.
    pub fn clock_is_off(&self, ahead: Duration, behind: Duration) {
        self.switches.change_terms(|terms| terms.skew = [ahead, behind]);
    }

    /// Ends every connection, in use or idle.
    pub fn hang_up(&self) {
        self.switches.hang_up.send_replace(());
    }

    /// From now on only this secret or password is accepted.
    pub fn accept_secret(&self, secret: &str) {
        self.switches.change_terms(|terms| secret.clone_into(&mut terms.secret));
    }

    /// Takes this token from now on, besides those it gives.
    pub fn accept_token(&self, token: &str) {
        self.tokens.accept(token);
    }

    /// Ends every access token that is out; refresh tokens stay.
    pub fn expire_tokens(&self) {
        self.tokens.expire();
    }

    /// Ends every refresh token that is out; access tokens stay.
    pub fn end_sessions(&self) {
        self.tokens.end_sessions();
    }

    /// A refresh token that nobody had to log in for.
    pub fn new_refresh_token(&self) -> String {
        self.tokens.refresh_token(self.tokens.session(None))
    }

    /// Lets one answer of `/slow-head` begin, waiting or yet to come.
    pub fn release_head(&self) {
        self.switches.heads.add_permits(1);
    }

    /// Lets one more piece of a `/drip?hold` go.
    pub fn release_piece(&self) {
        self.switches.pieces.add_permits(1);
    }

    /// What must be found nowhere but in requests: credentials, and all tokens that it gave.
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

    /// Whether these are the credentials; bytes, because Basic may carry any.
    pub(super) fn knows(&self, id: &[u8], secret: &[u8]) -> bool {
        id == self.api.credentials().id.as_bytes() && secret == self.terms().secret.as_bytes()
    }

    /// What the vendor's own clock says.
    pub(super) fn wall(&self) -> SystemTime {
        let [ahead, behind] = self.terms().skew;
        self.tokens.clock.wall() + ahead - behind
    }

    /// A token on today's terms.
    pub(super) fn issue(&self, asked: &EndpointRequest, subject: Option<String>, session: Option<Session>) -> Issued {
        let issued = self.tokens.issue(&self.terms(), self.wall(), subject, session);
        let what = What::Issued {
            kind: asked.kind,
            number: issued.number,
            subject: issued.subject.clone(),
            seconds: issued.seconds,
        };
        self.tell(what);
        // A request gets one token at most.
        let _ = asked.issued.set(Bearer { number: Some(issued.number), subject: issued.subject.clone() });
        issued
    }

    /// What a call's token is worth.
    pub(super) fn worth(&self, token: &str) -> Worth {
        let worth = self.tokens.worth(token);
        if let Worth::Expired(number) = worth {
            self.tell(What::Expired { number });
        }
        worth
    }

    /// Tells whoever listens; builds nothing if nobody does.
    pub(super) fn tell(&self, what: What) {
        if self.events.receiver_count() > 0 {
            // The last listener may have left since.
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
