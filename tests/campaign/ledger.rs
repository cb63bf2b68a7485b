//! What the API did with each request, and what its caller saw.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

use crate::plan::Plan;

/// What the API did with one request.
#[derive(Default, Debug)]
pub struct Page {
    /// How often its token was rejected.
    pub refused: AtomicU8,
    /// How often it was processed.
    pub delivered: AtomicU8,
    /// How often the connection broke before or within the response.
    pub broken: AtomicU8,
    /// How often its body was wrong.
    pub corrupt: AtomicU8,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Seen {
    /// The correct, complete response.
    Served,
    /// 401.
    Refused,
    /// An error from bearerd.
    Own(u16, String),
    /// A response that ended early.
    Cut,
    /// A response that was not sent.
    Wrong(String),
}

pub struct Ledger {
    pages: Vec<Page>,
    seen: Mutex<BTreeMap<String, usize>>,
    faults: Mutex<Vec<String>>,
}

impl Ledger {
    pub fn of(requests: usize) -> Self {
        let pages = std::iter::repeat_with(Page::default).take(requests).collect();
        Self { pages, seen: Mutex::default(), faults: Mutex::default() }
    }

    pub fn page(&self, id: usize) -> &Page {
        &self.pages[id]
    }

    /// Records what a caller saw, and whether it violates a rule.
    pub fn note(&self, plan: &Plan, seen: &Seen) {
        let page = self.page(plan.id);
        let kind = if plan.is_idempotent() { "idempotent" } else { "POST or PATCH" };
        let broken = if page.broken.load(SeqCst) > 0 { "its connection broke" } else { "met a dead connection" };
        let text = match seen {
            Seen::Served => "served".to_owned(),
            Seen::Refused if plan.is_kept() => format!("401: kept, {broken}"),
            Seen::Refused => "401: too large to keep".to_owned(),
            Seen::Own(502, code) => format!("502 {code}: {kind}, {broken}"),
            other => format!("{other:?}"),
        };
        *self.seen.lock().unwrap().entry(text).or_default() += 1;
        if !self.may_be(plan, seen) {
            self.faults.lock().unwrap().push(format!("{plan:?} saw {seen:?}: {page:?}"));
        }
    }

    fn may_be(&self, plan: &Plan, seen: &Seen) -> bool {
        let page = self.page(plan.id);
        let broken = page.broken.load(SeqCst) > 0;
        match seen {
            Seen::Served => page.delivered.load(SeqCst) > 0,
            // If the repeat fails, the first response is passed on.
            Seen::Refused => page.refused.load(SeqCst) == 1 && (broken || !plan.is_kept()),
            // Idempotent requests are repeated; others may have been processed when their connection broke.
            Seen::Own(502, code) => code == "upstream-reset" && (broken || !plan.is_idempotent() || !plan.is_kept()),
            Seen::Cut => broken,
            Seen::Own(..) | Seen::Wrong(_) => false,
        }
    }

    /// All violations.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.faults.lock().unwrap().clone();
        for (id, page) in self.pages.iter().enumerate() {
            let plan = Plan::of(id);
            let again = if plan.is_idempotent() { page.broken.load(SeqCst) } else { 0 };
            if page.delivered.load(SeqCst) > 1 + again {
                faults.push(format!("{plan:?} was processed more than once: {page:?}"));
            }
            if page.corrupt.load(SeqCst) > 0 {
                faults.push(format!("{plan:?} did not arrive intact: {page:?}"));
            }
            if page.refused.load(SeqCst) > 2 {
                faults.push(format!("{plan:?} was repeated more than once: {page:?}"));
            }
        }
        faults
    }

    /// A summary.
    pub fn told(&self) -> String {
        let sum = |count: fn(&Page) -> &AtomicU8| {
            self.pages.iter().map(|page| u64::from(count(page).load(SeqCst))).sum::<u64>()
        };
        let twice = self.pages.iter().filter(|page| page.delivered.load(SeqCst) > 1).count();
        let mut text = format!(
            "upstream: {} done ({twice} of them twice, idempotent after a break), {} refused, {} connections broken\n",
            sum(|page| &page.delivered),
            sum(|page| &page.refused),
            sum(|page| &page.broken),
        );
        for (what, count) in self.seen.lock().unwrap().iter() {
            text.push_str(&format!("callers: {count} {what}\n"));
        }
        text
    }
}
