use std::sync::Arc;

use super::*;
use crate::clock::{Clock, PausedClock};
use crate::token::action::Action;
use crate::token::fake::grant;
use crate::token::grant::{Generation, Grant, Token};
use crate::token::handle::shared::{KeeperId, Shared};
use crate::token::handle::view::{Trouble, View, ViewBuilder};
use crate::token::key::SubjectPattern;

const IDLE: Duration = Duration::from_secs(60);

fn subject(name: &str) -> Subject {
    SubjectPattern::new(".*").unwrap().subject(name).unwrap()
}

struct Bench {
    subjects: Subjects<u32>,
    start: Moment,
    opened: Vec<(String, Arc<Shared>)>,
}

impl Bench {
    fn new(max: usize) -> Self {
        let start = PausedClock::start().now();
        Self { subjects: Subjects::new(max, IDLE), start, opened: Vec::new() }
    }

    fn use_at(&mut self, second: u64, name: &str) -> u32 {
        let opened = &mut self.opened;
        let (commands, _) = tokio::sync::mpsc::unbounded_channel();
        let open = |_: &Subject| {
            let shared = Arc::new(Shared::new(KeeperId(1), commands, Arc::new(PausedClock::start())));
            opened.push((name.to_owned(), Arc::clone(&shared)));
            TokenHandle::new(shared)
        };
        let held = self.subjects.get_or_insert_with(&subject(name), self.start + Duration::from_secs(second), open);
        held.kept += 1;
        held.kept
    }

    fn publish(&self, name: &str, change: impl FnOnce(&mut View)) {
        let (_, shared) = self.opened.iter().rev().find(|(opened, _)| opened == name).unwrap();
        let mut view = ViewBuilder::default();
        change(&mut view);
        shared.publish(&mut view);
    }

    fn gets_a_token(&self, name: &str) {
        let token = token_of(&grant(1, self.start, IDLE));
        self.publish(name, |view| view.token = Some(Arc::new(token)));
    }

    fn is_refused(&self, name: &str, until: u64) {
        let trouble = Trouble {
            refused: true,
            action: Action::Wait,
            message: "no".into(),
            at: std::time::SystemTime::UNIX_EPOCH,
        };
        let next = Some(self.start + Duration::from_secs(until));
        self.publish(name, |view| (view.trouble, view.next) = (Some(trouble), next));
    }

    /// The names by rank, the most recent first.
    fn names(&mut self) -> Vec<&str> {
        let mut names = Vec::new();
        for order in self.subjects.orders {
            names.extend(order.places(&mut self.subjects.entries));
        }
        assert_eq!(names.len(), self.subjects.len());
        let name = |place: usize| self.subjects.entries[place].subject.as_str();
        assert!(names.iter().all(|place| self.subjects.places[name(*place)] == *place));
        names.into_iter().map(name).collect()
    }
}

fn token_of(grant: &Grant) -> Token {
    let (access, captures) = (grant.access.clone(), grant.captures.clone());
    Token { generation: Generation(1), subject: None, access, captures, issued: grant.issued, life: grant.life }
}

#[tokio::test(start_paused = true)]
async fn a_subject_is_opened_once_and_keeps_what_was_kept_with_it() {
    let mut bench = Bench::new(10);
    assert_eq!((bench.use_at(0, "anna"), bench.use_at(1, "anna"), bench.use_at(2, "bert")), (1, 2, 1));
    assert_eq!(bench.opened.len(), 2);
    let now = bench.start;
    assert_eq!(bench.subjects.get("anna", now).map(|held| held.kept), Some(2));
    assert!(bench.subjects.get("nobody", now).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_subject_makes_room() {
    let mut bench = Bench::new(3);
    for name in ["a", "b", "c", "a", "d"] {
        bench.use_at(0, name);
    }
    assert_eq!(bench.names(), ["d", "a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn the_idle_go_in_time_and_the_used_stay() {
    let mut bench = Bench::new(10);
    for (second, name) in [(0, "a"), (10, "b"), (20, "c"), (30, "a")] {
        bench.use_at(second, name);
    }
    let now = bench.start;
    bench.subjects.sweep(now + Duration::from_secs(69));
    assert_eq!(bench.names(), ["a", "c", "b"]);
    bench.subjects.sweep(now + Duration::from_secs(80));
    assert_eq!(bench.names(), ["a"]);
    bench.subjects.sweep(now + Duration::from_secs(90));
    assert!(bench.subjects.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_order_of_use_survives_any_history() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bench = Bench::new(8);
    let mut model: Vec<String> = Vec::new();
    for second in 0..5_000 {
        let name = random.u8(..20).to_string();
        bench.use_at(second, &name);
        model.retain(|known| *known != name);
        model.insert(0, name);
        model.truncate(8);
        assert_eq!(bench.names(), model);
    }
}

#[tokio::test(start_paused = true)]
async fn a_subject_that_never_had_a_token_is_dropped_first() {
    let mut bench = Bench::new(4);
    for name in ["good", "gone", "nobody", "last"] {
        bench.use_at(0, name);
    }
    bench.gets_a_token("good");
    bench.gets_a_token("gone");
    bench.is_refused("nobody", 60);
    bench.use_at(1, "new");
    assert_eq!(bench.names(), ["new", "last", "gone", "good"], "the oldest had its token unseen, the refused one went");
    bench.use_at(2, "newer");
    assert_eq!(bench.names(), ["newer", "new", "gone", "good"], "a token that came counts as use");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_refused_subjects_never_pushes_a_good_one_out() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut bench = Bench::new(8);
    for good in 0..7 {
        bench.use_at(0, &format!("good{good}"));
        bench.gets_a_token(&format!("good{good}"));
    }
    for second in 1..2_000 {
        let name = format!("bad{}", random.u16(..));
        bench.use_at(second, &name);
        bench.is_refused(&name, second + 60);
    }
    assert_eq!(bench.names().iter().filter(|name| name.starts_with("good")).count(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_refused_subject_is_remembered_until_its_hold_ends() {
    let mut bench = Bench::new(8);
    bench.use_at(0, "nobody");
    bench.is_refused("nobody", 900);
    bench.use_at(1, "nobody");
    let at = |second| bench.start + Duration::from_secs(second);
    let (during, after) = (at(899), at(900));
    bench.subjects.sweep(during);
    assert_eq!(bench.names(), ["nobody"]);
    bench.subjects.sweep(after);
    assert!(bench.subjects.is_empty());
}

#[tokio::test(start_paused = true)]
async fn cached_values_of_an_idle_subject_are_dropped_and_the_subject_stays() {
    let mut bench = Bench::new(200);
    for number in 0..150 {
        bench.use_at(0, &number.to_string());
    }
    bench.subjects.idle = Duration::from_secs(3600);
    let cold = bench.start + COLD;
    bench.subjects.get("7", cold);
    (0..60).for_each(|_| bench.subjects.sweep(cold));
    let kept: Vec<_> = bench.subjects.entries.iter().filter(|entry| entry.value.kept > 0).collect();
    assert_eq!((kept.len(), kept[0].subject.as_str(), bench.subjects.len()), (1, "7", 150));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_came_unseen_counts_as_use() {
    let mut bench = Bench::new(2);
    bench.use_at(0, "came");
    bench.use_at(5, "waits");
    bench.gets_a_token("came");
    bench.use_at(10, "new");
    assert_eq!(bench.names(), ["new", "came"]);
}

#[tokio::test(start_paused = true)]
async fn a_subject_can_be_removed() {
    let mut bench = Bench::new(2);
    bench.use_at(0, "a");
    assert!(!bench.subjects.is_empty());
    bench.subjects.remove(&subject("nobody"));
    assert_eq!(bench.names(), ["a"]);
    bench.subjects.remove(&subject("a"));
    assert!(bench.subjects.is_empty());
}
