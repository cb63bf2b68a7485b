//! Switches that make an API misbehave, even while requests are running.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use super::api::Api;
use super::received::{Kind, lock};

/// How an endpoint handles a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Serves it.
    Serve,
    /// Refuses with this status in the vendor's format. For API calls, 401 means that the token expired.
    Refuse(u16),
    /// Fails with this status, with `Retry-After` if given, and a body that is not JSON.
    Fail(u16, Option<&'static str>),
    /// Does not respond until `release`, or until another behaviour is set, which then applies.
    Stall,
    /// Closes the connection without a response.
    Close,
    /// Resets the connection.
    Reset,
    /// Returns 200 with an HTML page.
    Garbage,
    /// Returns 200 with the vendor's refusal.
    ErrorInside,
    /// Returns 200 with 8 MiB of JSON.
    Huge,
    /// Redirects (307) to this location.
    Redirect(String),
    /// Returns this response.
    Reply(Canned),
}

/// A prepared response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canned {
    pub status: u16,
    /// Its headers; `content-type` is JSON unless it is among them.
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Behaviour {
    /// A prepared JSON response.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Reply(Canned { status, headers: Vec::new(), body: body.to_string() })
    }
}

/// What a reply says about the token's lifetime.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The truth, in the vendor's format.
    Truth,
    /// Nothing.
    Nothing,
    /// Only the expiry date, if the vendor has such a field.
    DateOnly,
    /// This value instead of the number of seconds.
    Instead(Value),
}

/// The terms on which tokens are issued.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) life: Duration,
    pub(super) said: Said,
    pub(super) jwt: bool,
    pub(super) rotates: bool,
    pub(super) secret: String,
    pub(super) hasty: bool,
    pub(super) repeats: bool,
    pub(super) exclusive: bool,
    /// The error of the vendor's clock: ahead, then behind.
    pub(super) skew: [Duration; 2],
}

impl Terms {
    /// The value of the field for seconds; `truth` is the correct one.
    pub(super) fn seconds(&self, truth: Value) -> Option<Value> {
        match &self.said {
            Said::Truth => Some(truth),
            Said::Nothing | Said::DateOnly => None,
            Said::Instead(value) => Some(value.clone()),
        }
    }

    /// Whether the reply has the expiry date.
    pub(super) fn says_date(&self) -> bool {
        self.said != Said::Nothing
    }
}

struct SwitchSlot {
    standing: Behaviour,
    next: VecDeque<Behaviour>,
}

/// The switches of one API.
pub(super) struct Switches {
    terms: Mutex<Terms>,
    slots: Mutex<[SwitchSlot; 4]>,
    turned: [watch::Sender<()>; 4],
    /// Closes every connection.
    pub(super) hang_up: watch::Sender<()>,
    /// Releases held response heads.
    pub(super) heads: Semaphore,
    /// Releases held pieces of a body.
    pub(super) pieces: Semaphore,
}

impl Switches {
    pub(super) fn new(api: Api) -> Self {
        let terms = Terms {
            life: Duration::from_secs(api.seconds_of_life()),
            said: Said::Truth,
            jwt: api.speaks_jwt(),
            rotates: true,
            hasty: false,
            repeats: false,
            exclusive: false,
            skew: [Duration::ZERO; 2],
            secret: api.credentials().secret.to_owned(),
        };
        let slot = |_| SwitchSlot { standing: Behaviour::Serve, next: VecDeque::new() };
        Self {
            terms: Mutex::new(terms),
            slots: Mutex::new(Kind::ALL.map(slot)),
            turned: Kind::ALL.map(|_| watch::Sender::new(())),
            hang_up: watch::Sender::new(()),
            heads: Semaphore::new(0),
            pieces: Semaphore::new(0),
        }
    }

    pub(super) fn terms(&self) -> Terms {
        lock(&self.terms).clone()
    }

    pub(super) fn change_terms(&self, change: impl FnOnce(&mut Terms)) {
        change(&mut lock(&self.terms));
    }

    pub(super) fn set(&self, kind: Kind, behaviour: Behaviour) {
        lock(&self.slots)[kind as usize].standing = behaviour;
        self.turned[kind as usize].send_replace(());
    }

    pub(super) fn next(&self, kind: Kind, behaviour: Behaviour) {
        lock(&self.slots)[kind as usize].next.push_back(behaviour);
    }

    pub(super) fn release(&self, kind: Kind) {
        let standing = &mut lock(&self.slots)[kind as usize].standing;
        if *standing == Behaviour::Stall {
            *standing = Behaviour::Serve;
        }
        self.turned[kind as usize].send_replace(());
    }

    /// The behaviour for the current request; waits while it is to stall.
    pub(super) async fn behaviour(&self, kind: Kind) -> Behaviour {
        let mut turned = self.turned[kind as usize].subscribe();
        loop {
            let behaviour = self.take(kind);
            if behaviour != Behaviour::Stall {
                return behaviour;
            }
            // The sender lives as long as `self`.
            let _ = turned.changed().await;
        }
    }

    fn take(&self, kind: Kind) -> Behaviour {
        let slot = &mut lock(&self.slots)[kind as usize];
        slot.next.pop_front().unwrap_or_else(|| slot.standing.clone())
    }
}
