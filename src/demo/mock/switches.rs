//! How an API misbehaves: switches that a test turns while requests are on their way.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use super::api::Api;
use super::received::{Kind, lock};

/// What an endpoint does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Its job.
    Serve,
    /// Refuses with this status and the vendor's own words. For calls, 401 says that the token expired.
    Refuse(u16),
    /// Fails with this status, and `Retry-After` if given; the body is no JSON.
    Fail(u16, Option<&'static str>),
    /// Says nothing until `release`, or until another behaviour is set; then goes on as that says.
    Stall,
    /// Ends the connection without an answer.
    Close,
    /// Resets the connection.
    Reset,
    /// 200 with a page of HTML.
    Garbage,
    /// 200 with the vendor's words for a refusal.
    ErrorInside,
    /// 200 with 8 MiB of JSON.
    Huge,
    /// 307 to this location.
    Redirect(String),
    /// This, whatever was asked.
    Reply(Canned),
}

/// An answer that is ready before it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canned {
    /// Its status.
    pub status: u16,
    /// Its headers; `content-type` is JSON unless it is here.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: String,
}

impl Behaviour {
    /// A JSON answer, whatever was asked.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Reply(Canned { status, headers: Vec::new(), body: body.to_string() })
    }
}

/// What a reply says about the life of its token, whatever that life is.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The truth, in the vendor's shape.
    Truth,
    /// Nothing at all.
    Nothing,
    /// Only the date of the end, where the vendor has such a field.
    DateOnly,
    /// This value in the place of the number of seconds.
    Instead(Value),
}

/// On what terms tokens are given.
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
    /// How far the vendor's clock is off: ahead, then behind.
    pub(super) skew: [Duration; 2],
}

impl Terms {
    /// What to write into the field of the seconds; `truth` is its value in the vendor's shape.
    pub(super) fn seconds(&self, truth: Value) -> Option<Value> {
        match &self.said {
            Said::Truth => Some(truth),
            Said::Nothing | Said::DateOnly => None,
            Said::Instead(value) => Some(value.clone()),
        }
    }

    /// Whether the date of the end is given.
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
    /// Ends every connection.
    pub(super) hang_up: watch::Sender<()>,
    /// Lets held heads go.
    pub(super) heads: Semaphore,
    /// Lets held pieces of a body go.
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

    /// What to do with the request at hand; waits while that is to stall.
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
