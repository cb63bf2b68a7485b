//! What the handlers of the admin listener share.

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

/// One upstream as admin shows it.
#[derive(Clone)]
pub struct AdminUpstream {
    /// Its name.
    pub name: Arc<str>,
    /// Where callers reach it, as it was written.
    pub listen: String,
    /// The API's base URL, without user information; `None` where only the login's reply tells.
    pub url: Option<String>,
    /// Its flow's name.
    pub flow: String,
    /// Whether it counts for readiness.
    pub required: bool,
    /// What happened to its requests.
    pub record: Arc<UpstreamRecord>,
    /// What happened to its token requests.
    pub token_record: Arc<TokenRecord>,
    /// Its token, or its tokens.
    pub tokens: Arc<dyn TokenView>,
}

/// Why a subject that was given, or not given, names no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubjectError {
    /// There is a token per subject and no default: one must be named.
    Missing,
    /// It does not match the flow's pattern, or the upstream has no subjects.
    Invalid,
}

/// The tokens of one upstream as admin sees them.
pub trait TokenView: Send + Sync + 'static {
    /// How the token stands; the default subject's where there are subjects, `None` where they have no default.
    fn status(&self) -> Option<Status>;

    /// How many subjects are held; `None` in flows without.
    fn subjects(&self) -> Option<u64>;

    /// Renews now, within the bounds on forced renewals.
    fn force<'a>(&'a self, subject: Option<&'a str>) -> BoxFuture<'a, Result<Forced, SubjectError>>;
}

/// What admin asks the process to do.
#[derive(Debug)]
pub enum AdminCommand {
    /// Read the configuration again. The answer is for people: what changed, or all problems.
    Reload(oneshot::Sender<Result<String, String>>),
    /// Drain and stop.
    Quit,
}

/// All that the admin listener knows.
pub struct Admin {
    /// The upstreams; a reload replaces the list.
    pub upstreams: ArcSwap<Vec<AdminUpstream>>,
    /// Who may call what is neither a probe nor `/metrics`.
    pub access: Access,
    /// Whether `POST /quit` may stop the process.
    pub quit: bool,
    /// After this long the process counts as started, with or without tokens.
    pub startup_hold: Duration,
    /// The data path as a whole.
    pub proxy: Arc<ProxyRecord>,
    /// The time.
    pub clock: SharedClock,
    /// How far the process is on its way down.
    pub shutdown: Shutdown,
    /// Where commands go.
    pub commands: mpsc::Sender<AdminCommand>,
    /// When the process started.
    pub born: Born,
}

/// When the process started, and whether it has come as far as serving.
#[derive(Debug)]
pub struct Born {
    pub(super) at: SystemTime,
    pub(super) moment: Moment,
    pub(super) started: AtomicBool,
}

impl Born {
    /// Now.
    pub fn now(clock: &SharedClock) -> Self {
        Self { at: clock.wall(), moment: clock.now(), started: AtomicBool::new(false) }
    }
}
