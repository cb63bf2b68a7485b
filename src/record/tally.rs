//! Requests by method, status and blame, with a counter for each combination that occurred.

use std::sync::OnceLock;

use http::Method;

use super::Blame;
use super::cell::Cell;

/// Methods with a label of their own. All others are `OTHER`, because callers can invent methods.
const METHODS: [(&str, Option<Method>); 10] = [
    ("OTHER", None),
    ("GET", Some(Method::GET)),
    ("HEAD", Some(Method::HEAD)),
    ("POST", Some(Method::POST)),
    ("PUT", Some(Method::PUT)),
    ("DELETE", Some(Method::DELETE)),
    ("PATCH", Some(Method::PATCH)),
    ("OPTIONS", Some(Method::OPTIONS)),
    ("CONNECT", Some(Method::CONNECT)),
    ("TRACE", Some(Method::TRACE)),
];

const SLOTS: usize = 16;

/// One counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestCount {
    /// The method, or `OTHER`.
    pub method: &'static str,
    /// The status that the caller got; 0 if the caller disconnected before.
    pub status: u16,
    pub blame: Blame,
    pub count: u64,
}

/// A list of counters that grows when a combination first occurs. One thread writes: it searches the short list from
/// the oldest counter on, which tends to be the busiest. Readers walk the same list without a lock.
#[derive(Default, Debug)]
pub(super) struct Tally {
    slots: [OnceLock<TallySlot>; SLOTS],
    more: OnceLock<Box<Tally>>,
}

#[derive(Debug)]
struct TallySlot {
    key: (usize, u16, Blame),
    count: Cell,
}

impl Tally {
    pub(super) fn add(&self, method: &Method, status: u16, blame: Blame) {
        let method = METHODS.iter().position(|(_, known)| known.as_ref() == Some(method)).unwrap_or(0);
        let key = (method, status, blame);
        let mut tally = self;
        loop {
            for slot in &tally.slots {
                let slot = slot.get_or_init(|| TallySlot { key, count: Cell::default() });
                if slot.key == key {
                    return slot.count.add(1);
                }
            }
            tally = tally.more.get_or_init(Box::default);
        }
    }

    pub(super) fn counts(&self) -> Vec<RequestCount> {
        let mut counts = Vec::new();
        let mut tally = Some(self);
        while let Some(Self { slots, more }) = tally {
            counts.extend(slots.iter().filter_map(OnceLock::get).map(TallySlot::read));
            tally = more.get().map(|more| &**more);
        }
        counts
    }
}

impl TallySlot {
    fn read(&self) -> RequestCount {
        let (method, status, blame) = self.key;
        RequestCount { method: METHODS[method].0, status, blame, count: self.count.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_combination_has_its_own_count_however_many_there_are() {
        let tally = Tally::default();
        for status in 100..200 {
            tally.add(&Method::GET, status, Blame::None);
            tally.add(&Method::GET, status, Blame::Upstream);
            tally.add(&Method::GET, status, Blame::None);
        }
        let counts = tally.counts();
        assert_eq!(counts.len(), 200);
        let twice = RequestCount { method: "GET", status: 150, blame: Blame::None, count: 2 };
        assert!(counts.contains(&twice));
        assert!(counts.contains(&RequestCount { blame: Blame::Upstream, count: 1, ..twice }));
    }

    #[test]
    fn invented_methods_share_one_count() {
        let tally = Tally::default();
        for method in ["BREW", "PROPFIND", "get"] {
            tally.add(&Method::from_bytes(method.as_bytes()).unwrap(), 200, Blame::None);
        }
        assert_eq!(tally.counts(), [RequestCount { method: "OTHER", status: 200, blame: Blame::None, count: 3 }]);
    }
}
