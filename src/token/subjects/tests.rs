use std::sync::Arc;

use super::*;
use crate::clock::{Clock, PausedClock};
use crate::token::board::{Board, KeeperId};
use crate::token::key::SubjectPattern;

const IDLE: Duration = Duration::from_secs(60);

fn subject(name: &str) -> Subject {
    SubjectPattern::new(".*").unwrap().subject(name).unwrap()
}

struct Bench {
    subjects: Subjects<u32>,
    start: Moment,
    opened: usize,
}

impl Bench {
    fn new(max: usize) -> Self {
        let start = PausedClock::start().now();
        Self { subjects: Subjects::new(max, IDLE), start, opened: 0 }
    }

    fn use_at(&mut self, second: u64, name: &str) -> u32 {
        let opened = &mut self.opened;
        let (words, _) = tokio::sync::mpsc::unbounded_channel();
        let open = |_: &Subject| {
            *opened += 1;
            TokenHandle::new(Arc::new(Board::new(KeeperId(1), words, Arc::new(PausedClock::start()))))
        };
        let held = self.subjects.get_or_insert_with(&subject(name), self.start + Duration::from_secs(second), open);
        held.kept += 1;
        held.kept
    }

    fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut place = self.subjects.newest;
        while let Some(entry) = self.subjects.entries.get(place) {
            assert_eq!(self.subjects.places[&entry.subject], place);
            names.push(entry.subject.as_str());
            place = entry.older;
        }
        assert_eq!(names.len(), self.subjects.len());
        names
    }
}

#[tokio::test(start_paused = true)]
async fn a_subject_is_opened_once_and_keeps_what_was_kept_with_it() {
    let mut bench = Bench::new(10);
    assert_eq!((bench.use_at(0, "anna"), bench.use_at(1, "anna"), bench.use_at(2, "bert")), (1, 2, 1));
    assert_eq!(bench.opened, 2);
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
