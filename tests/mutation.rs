//! Mutated requests and responses through the real binary. Whatever is sent, the process lives and its memory stays
//! constant; the upstream sees only what a strict reading of the bytes allows, with the token and without headers that
//! a caller may not set; and the next caller on another connection gets the right response.
//!
//! `BEARERD_MUTATIONS=1000000 BEARERD_SEED=7 cargo test --release --test mutation -- --nocapture` plays that many
//! requests and responses, and prints the `BEARERD_FIRST` to continue from. `BEARERD_ONLY=123` plays one case. Without
//! these variables, it plays a few thousand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::disallowed_methods)]
#![allow(unreachable_pub)]

#[path = "mutation/answer.rs"]
mod answer;
#[path = "mutation/caller.rs"]
mod caller;
#[path = "mutation/frames.rs"]
mod frames;
#[path = "mutation/http2.rs"]
mod http2;
#[path = "mutation/judge.rs"]
mod judge;
#[path = "mutation/lawful.rs"]
mod lawful;
#[path = "mutation/lot.rs"]
mod lot;
#[path = "mutation/mutate.rs"]
mod mutate;
#[path = "mutation/play.rs"]
mod play;
#[path = "mutation/reading.rs"]
mod reading;
#[path = "mutation/request.rs"]
mod request;
mod support;
#[path = "mutation/upstream.rs"]
mod upstream;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use caller::Caller;
use lot::{Lot, Tally, memory};
use play::{Door, Worker};
use support::Bearerd;
use upstream::Upstream;

/// How many cases run at the same time, each with its own upstreams.
const WORKERS: usize = 16;

/// By how many bytes the memory may grow after the first tenth of the cases.
const GROWTH: u64 = 24 << 20;

fn door<U>(kind: &str, number: usize, port: u16, upstream: Arc<U>, text: &mut String) -> Door<U> {
    let name = format!("{kind}-{number}");
    let protocol = if matches!(kind, "framed" | "frames") { "http2" } else { "http1" };
    text.push_str(&format!(
        "[upstream.{name}]\nlisten = \"127.0.0.1:0\"\nflow = \"bearer\"\nurl = \"http://127.0.0.1:{port}/b\"\n\
         protocol = \"{protocol}\"\nheaders = {{ x-legal-entity = \"{}\" }}\ntimeouts.response = \"3s\"\n\
         [upstream.{name}.with]\ntoken = \"{name}\"\n",
        lawful::ENTITY
    ));
    Door { name, port, upstream, probe: Caller::to(0) }
}

async fn worker(number: usize, text: &mut String) -> Worker {
    let upstreams = [Arc::<Upstream>::default(), Arc::default(), Arc::default()];
    let frames = Arc::<http2::Upstream>::default();
    let [first, second, third] = upstreams;
    let requests = [
        door("plain", number, first.clone().http1().await, first, text),
        door("framed", number, second.clone().http2().await, second, text),
    ];
    let answers = door("answers", number, third.clone().http1().await, third, text);
    let frames = door("frames", number, frames.clone().start().await, frames, text);
    Worker { requests, answers, frames, caller: Caller::to(0), framed_caller: Caller::to(0) }
}

fn settle(worker: &mut Worker, bearerd: &Bearerd) {
    let port = |name: &str| bearerd.address(name).port();
    worker.requests.iter_mut().for_each(|door| door.at(port(&door.name)));
    worker.answers.at(port(&worker.answers.name));
    worker.frames.at(port(&worker.frames.name));
    (worker.caller, worker.framed_caller) = (Caller::to(worker.answers.port), Caller::to(worker.frames.port));
}

/// Plays the cases of one worker.
async fn work(mut worker: Worker, place: usize, lot: Lot, tally: Arc<Tally>) {
    for number in lot.numbers(place) {
        tally.current[place].store(number, SeqCst);
        let played = tokio::time::timeout(Duration::from_secs(60), worker.play(lot.seed, number)).await;
        match played {
            Ok(Ok(())) => {}
            Ok(Err(ref fault)) => tally.fault(number, &fault.why, &fault.bytes),
            Err(_) => tally.fault(number, "it never ends", &[]),
        }
        if tally.is_over() {
            return;
        }
        if !matches!(played, Ok(Ok(()))) {
            let (answers, frames) = (worker.answers.port, worker.frames.port);
            (worker.caller, worker.framed_caller) = (Caller::to(answers), Caller::to(frames));
            worker.requests.iter_mut().for_each(|door| door.at(door.port));
            worker.answers.at(answers);
            worker.frames.at(frames);
            worker.requests.iter().for_each(|door| drop(door.upstream.take()));
            drop(worker.answers.upstream.take());
        }
        tally.done.fetch_add(1, SeqCst);
    }
    tally.current[place].store(u64::MAX, SeqCst);
}

/// Prints progress, and notices when the process has ended.
async fn watch(lot: Lot, tally: Arc<Tally>, process: u32) {
    let (mut warm, mut told) = (None, 0);
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let (done, now) = (tally.done.load(SeqCst), memory(process));
        match (now, warm) {
            (None, _) => return tally.died(),
            (Some(now), None) if done * 10 > lot.count() => {
                warm = Some(now);
                tally.warm.store(now, SeqCst);
            }
            _ => {}
        }
        if tally.is_over() || done == lot.count() {
            return;
        }
        if done >= told {
            told = done + (lot.count() / 50).max(10_000);
            tally.tell(&lot, now.unwrap_or_default());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_mutated_message_the_next_caller_is_served() {
    let (lot, tally) = (Lot::wanted(), Arc::new(Tally::of(WORKERS)));
    let mut text = "[log]\naccess = \"off\"\nlevel = \"error,bearerd::app=info\"\n".to_owned();
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(worker(number, &mut text).await);
    }
    let bearerd = Bearerd::start(text).await;
    bearerd.ready().await;
    let mut tasks = Vec::new();
    for (place, mut worker) in workers.into_iter().enumerate() {
        settle(&mut worker, &bearerd);
        tasks.push(tokio::spawn(work(worker, place, lot, tally.clone())));
    }
    watch(lot, tally.clone(), bearerd.id()).await;
    for task in tasks {
        task.await.unwrap();
    }
    let end = memory(bearerd.id());
    tally.tell(&lot, end.unwrap_or_default());
    assert!(end.is_some(), "bearerd has ended; {}\n{}", tally.suspects(), bearerd.log().text());
    assert!(tally.faults().is_empty(), "{} faults:\n{}", tally.faults().len(), tally.told());
    let grown = end.unwrap_or_default().saturating_sub(tally.warm.load(SeqCst));
    assert!(grown < GROWTH, "{grown} bytes of memory more than at the beginning");
    let panics = bearerd.metric("bearerd_panics_total", &[]).await;
    assert!(panics == 0.0, "{panics} panics:\n{}", bearerd.log().text());
}
