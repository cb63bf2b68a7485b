//! Subjects as on the data path, with Yodlee's flow and an endpoint that replies at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bearerd::clock::{Clock, SharedClock, SystemClock};
use bearerd::flow::{Flow, Values, shipped};
use bearerd::record::TokenRecord;
use bearerd::secret::Secret;
use bearerd::token::grant::{Grant, Life, Token};
use bearerd::token::key::{RecipeWriter, Subject, SubjectPattern, TokenKey};
use bearerd::token::patch::Patch;
use bearerd::token::pool::TokenPool;
use bearerd::token::source::{Ask, BoxFuture, MintError, Source};
use bearerd::token::spec::TokenSpec;
use bearerd::token::store::memory::MemoryStore;
use bearerd::token::subjects::Subjects;

/// The length of a token.
pub(crate) const TOKEN: usize = 1_000;

/// A token endpoint with a token per subject.
struct Endpoint;

impl Source for Endpoint {
    fn can_login(&self) -> bool {
        true
    }

    fn can_refresh(&self, _: Option<&Grant>, _: bool) -> bool {
        false
    }

    fn mint<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Grant, MintError>> {
        let name = ask.subject.map_or("", Subject::as_str);
        let (issued, life) = (SystemClock.now(), Duration::from_secs(3600));
        let grant = Grant {
            access: Secret::new(format!("{name:x>TOKEN$}")),
            refresh: None,
            captures: BTreeMap::new(),
            issued,
            life: Life::Until(issued + life),
            refresh_in: None,
        };
        Box::pin(async { Ok(grant) })
    }

    fn revoke<'a>(&'a self, _: Option<&'a Subject>, _: &'a Grant) -> BoxFuture<'a, Result<(), MintError>> {
        Box::pin(async { Ok(()) })
    }

    fn can_revoke(&self) -> bool {
        false
    }
}

/// A rendered token, as an upstream caches it.
struct Rendered {
    token: Arc<Token>,
    patch: Patch,
}

type Kept = Rc<RefCell<Option<Rc<Rendered>>>>;

/// One upstream with subjects.
pub(crate) struct Scene {
    clock: SharedClock,
    pattern: SubjectPattern,
    flow: Flow,
    pool: TokenPool,
    spec: TokenSpec,
    subjects: Subjects<Kept>,
}

impl Scene {
    pub(crate) fn new(max: usize) -> Self {
        let values = Values::from([
            ("client_id".to_owned(), Secret::new("client")),
            ("client_secret".to_owned(), Secret::new("secret")),
        ]);
        let flow = Flow::compile(shipped::get("yodlee").unwrap(), None, &values, false, &mut |_| {}).unwrap();
        let rule = flow.subject.clone().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let pool = TokenPool::start(Arc::clone(&clock), Arc::new(MemoryStore::default()), fastrand::Rng::with_seed(1));
        let spec = TokenSpec {
            key: TokenKey { recipe: RecipeWriter::default().finish(), subject: None },
            store_key: flow.store_key.clone(),
            source: Arc::new(Endpoint),
            policy: flow.policy.clone(),
            record: Arc::new(TokenRecord::new("yodlee")),
            prove: false,
        };
        let subjects = Subjects::new(max.max(10), rule.idle);
        Self { clock, pattern: rule.pattern, flow, pool, spec, subjects }
    }

    /// Opens subjects 0 to `size`, each with its rendered token. With `cold`, they then stay unused.
    pub(crate) async fn open(&mut self, size: usize, cold: bool) {
        for number in 0..size {
            if cold && number % 100 == 0 {
                let later = self.clock.now() + Duration::from_secs(61);
                (0..60).for_each(|_| self.subjects.sweep(later));
            }
            let name = name(number);
            let now = self.clock.now();
            if self.subjects.get(&name, now).is_some() {
                continue;
            }
            let subject = self.pattern.subject(&name).unwrap();
            let (pool, spec) = (&self.pool, &self.spec);
            let held = self.subjects.get_or_insert_with(&subject, now, |subject| {
                let key = TokenKey { recipe: spec.key.recipe, subject: Some(subject.clone()) };
                pool.open(TokenSpec { key, store_key: spec.store_key.with_subject(subject), ..spec.clone() })
            });
            let token = held.token.usable(Duration::from_secs(10)).await.unwrap();
            let mut patch = self.flow.usage.patch(&token).unwrap();
            patch.headers.shrink_to_fit();
            *held.kept.borrow_mut() = Some(Rc::new(Rendered { token, patch }));
        }
    }
}

fn name(number: usize) -> String {
    format!("user-{number:06}")
}

/// Finds subjects with rendered tokens, as requests do.
#[inline(never)]
pub(crate) fn warm_lookup(scene: &mut Scene, times: usize) {
    let now = scene.clock.now();
    let held = scene.subjects.len();
    let names: Vec<String> = (0..held).step_by(held.div_ceil(1_000)).map(name).collect();
    for name in names.iter().cycle().take(times) {
        let held = scene.subjects.get(name, now).unwrap();
        let (handle, kept) = (held.token.clone(), Rc::clone(&held.kept));
        let rendered = kept.borrow().clone().unwrap();
        assert!(rendered.token.generation == handle.generation() && rendered.token.is_usable(now));
        std::hint::black_box(&rendered.patch);
    }
}
