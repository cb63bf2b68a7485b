//! The state that the admin handlers share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Moment, SharedClock};
use crate::guard::Access;
use crate::record::{ProxyRecord, TokenRecord, UpstreamRecord};
use crate::shutdown::Shutdown;
use crate::token::source::BoxFuture;
use crate::token::status::{Forced, Status};

/// One upstream, as admin shows it.
#[derive(Clone)]
pub struct AdminUpstream {
    pub name: Arc<str>,
    /// Its listen address, as written.
    pub listen: String,
    /// The API's base URL without user information; `None` if only the login's reply names it.
    pub url: Option<String>,
    /// The name of its flow.
    pub flow: String,
    /// Whether it counts for readiness.
    pub required: bool,
    /// The records of its requests.
    pub record: Arc<UpstreamRecord>,
    /// The records of its token requests.
    pub token_record: Arc<TokenRecord>,
    /// Its tokens.
    pub tokens: Arc<dyn TokenView>,
}

/// Why a request names no valid subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubjectError {
    /// The upstream has subjects and no default, and none was given.
    Missing,
    /// It does not match the flow's pattern, or the upstream has no subjects.
    Invalid,
}

/// The tokens of one upstream, as admin sees them.
pub trait TokenView: Send + Sync + 'static {
    /// The token's status. With subjects: the default subject's, or `None` without a default.
    fn status(&self) -> Option<Status>;

    /// The number of subjects in memory; `None` in flows without subjects.
    fn subjects(&self) -> Option<u64>;

    /// Renews now, within the bounds on forced renewals.
    fn force<'a>(&'a self, subject: Option<&'a str>) -> BoxFuture<'a, Result<Forced, SubjectError>>;
}

/// Commands from admin to the process.
#[derive(Debug)]
pub enum AdminCommand {
    /// Reload. The result is for people: what changed, or all problems.
    Reload(oneshot::Sender<Result<String, String>>),
    /// Drain and stop.
    Quit,
}

/// The state of the admin listener.
pub struct Admin {
    /// The upstreams; a reload replaces the list.
    pub upstreams: ArcSwap<Vec<AdminUpstream>>,
    /// The access rules for everything except probes and `/metrics`.
    pub access: Access,
    /// Whether `POST /quit` is allowed.
    pub quit: bool,
    /// After this time the process counts as started, with or without tokens.
    pub startup_hold: Duration,
    /// The records of the data path.
    pub proxy: Arc<ProxyRecord>,
    pub clock: SharedClock,
    /// The shutdown phase.
    pub shutdown: Shutdown,
    pub commands: mpsc::Sender<AdminCommand>,
    /// When the process started.
    pub born: Born,
}

/// When the process started, and whether it has finished starting.
#[derive(Debug)]
pub struct Born {
    pub(super) at: SystemTime,
    pub(super) moment: Moment,
    pub(super) started: AtomicBool,
}

impl Born {
    pub fn now(clock: &SharedClock) -> Self {
        Self { at: clock.wall(), moment: clock.now(), started: AtomicBool::new(false) }
    }
}
