use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Frame, SizeHint};

use super::*;
use crate::clock::Moment;
use crate::proxy::limits::budget::Budget;
use crate::proxy::limits::deadline::{Deadline, Deadlines, Waiting};
use crate::proxy::limits::memory::Memory;
use crate::proxy::message::headers::Rules;
use crate::proxy::tests::support::fixture;

/// A body of these frames, of which the first `ready` have arrived.
struct Script {
    frames: VecDeque<Frame<Bytes>>,
    ready: Rc<Cell<usize>>,
    length: Option<u64>,
}

impl Body for Script {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.frames.is_empty() {
            return Poll::Ready(None);
        }
        if self.ready.get() == 0 {
            return Poll::Pending;
        }
        self.ready.set(self.ready.get() - 1);
        let frame = self.frames.pop_front().unwrap();
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.length = self.length.map(|left| left - length);
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

struct Bench {
    ready: Rc<Cell<usize>>,
    budget: Rc<Budget>,
    deadline: Rc<Deadline>,
    upload: Upload<Script>,
}

fn bench(frames: &[&'static str], length: Option<u64>, keep: u64, budget: u64) -> Bench {
    let ready = Rc::new(Cell::new(usize::MAX));
    let budget = Rc::new(Budget::new(budget, Rc::new(Memory::new(u64::MAX))));
    let deadline = Deadlines::new(Moment::from_start(Duration::ZERO)).deadline();
    let frames = frames.iter().map(|text| Frame::data(Bytes::from_static(text.as_bytes()))).collect();
    let timeouts = BodyTimeouts { caller: Duration::from_secs(1), upstream: Duration::from_secs(2) };
    let rules = Rc::new(Rules::new(&fixture::settings("x"), &crate::token::patch::Owned::default(), None));
    let intake =
        Intake { keep, budget: budget.clone(), gate: None, deadline: deadline.clone(), timeouts, rules, http2: false };
    let upload = Upload::new(Script { frames, ready: ready.clone(), length }, intake);
    Bench { ready, budget, deadline, upload }
}

fn next(body: &mut Outgoing<Script>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

fn text(body: &mut Outgoing<Script>) -> String {
    let mut text = String::new();
    while let Poll::Ready(Some(Ok(frame))) = next(body) {
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    text
}

#[test]
fn a_repeat_sends_the_kept_frames_and_then_the_rest() {
    let bench = bench(&["ab", "cd", "ef"], Some(6), 10, 100);
    bench.ready.set(2);
    let mut first = bench.upload.attempt().unwrap();
    assert_eq!(first.size_hint().exact(), Some(6));
    assert_eq!(text(&mut first), "abcd");
    let mut second = bench.upload.attempt().unwrap();
    assert_eq!(second.size_hint().exact(), Some(6));
    bench.ready.set(1);
    assert_eq!(text(&mut second), "abcdef");
    assert!(second.is_end_stream() && bench.upload.has_ended());
    assert!(matches!(next(&mut first), Poll::Ready(Some(Err(BodyError::TakenOver)))));
    assert_eq!(bench.budget.left(), 94);
    drop((first, second, bench.upload));
    assert_eq!(bench.budget.left(), 100);
}

#[test]
fn a_connection_is_free_only_when_its_body_is_dropped() {
    let bench = bench(&["ab", "cd"], None, 10, 100);
    let body = bench.upload.attempt().unwrap();
    bench.deadline.wait(Waiting::NextRequest, Duration::from_secs(1));
    assert!(!bench.deadline.is_free());
    drop(bench.upload);
    assert!(!bench.deadline.is_free());
    drop(body);
    assert!(bench.deadline.is_free());
}

#[test]
fn a_body_past_its_own_limit_is_sent_once() {
    let bench = bench(&["abc", "def"], None, 5, 100);
    assert_eq!(text(&mut bench.upload.attempt().unwrap()), "abcdef");
    assert!(bench.upload.attempt().is_none());
    assert_eq!(bench.budget.left(), 100);
}

#[test]
fn a_body_known_to_be_too_long_can_be_repeated_until_it_is_read() {
    let bench = bench(&["abc", "def"], Some(6), 5, 100);
    bench.ready.set(1);
    drop(bench.upload.attempt().unwrap());
    assert!(bench.upload.can_repeat());
    assert_eq!(text(&mut bench.upload.attempt().unwrap()), "abc");
    assert_eq!(bench.budget.left(), 100);
    assert!(!bench.upload.can_repeat() && bench.upload.attempt().is_none());
}

#[test]
fn all_bodies_share_one_budget() {
    let bench = bench(&["abc"], Some(3), 5, 2);
    assert_eq!(text(&mut bench.upload.attempt().unwrap()), "abc");
    assert!(bench.upload.attempt().is_none());
    assert_eq!(bench.budget.left(), 2);
}

#[test]
fn a_body_that_is_no_longer_kept_frees_its_budget_and_continues() {
    let bench = bench(&["abc", "def"], Some(6), 10, 100);
    bench.ready.set(1);
    let mut first = bench.upload.attempt().unwrap();
    assert_eq!(text(&mut first), "abc");
    bench.upload.stop_keeping();
    assert_eq!(bench.budget.left(), 100);
    bench.ready.set(1);
    assert_eq!(text(&mut first), "def");
    assert!(bench.upload.attempt().is_none());
}

#[test]
fn the_deadline_follows_the_body() {
    let bench = bench(&["abc", "def"], Some(6), 10, 100);
    let mut first = bench.upload.attempt().unwrap();
    bench.ready.set(0);
    assert!(next(&mut first).is_pending());
    assert_eq!(bench.deadline.waiting(), Waiting::RequestBody);
    bench.ready.set(2);
    assert!(next(&mut first).is_ready());
    assert_eq!(bench.deadline.waiting(), Waiting::ResponseHead);
    bench.upload.unwatch();
    bench.deadline.clear();
    assert!(next(&mut first).is_ready());
    assert_eq!(bench.deadline.waiting(), Waiting::Nothing);
}

#[test]
fn an_empty_body_can_always_be_sent() {
    let bench = bench(&[], Some(0), 0, 0);
    assert!(bench.upload.has_ended());
    for _ in 0..3 {
        let mut body = bench.upload.attempt().unwrap();
        assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
        assert!(matches!(next(&mut body), Poll::Ready(None)));
    }
}
