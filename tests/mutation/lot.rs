//! The selection of cases, and their results.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use crate::WORKERS;

/// The number of cases of each kind in a regular run.
const FEW: u64 = 4_000;

/// A run stops after this many faults.
const MOST: usize = 20;

#[derive(Clone, Copy)]
pub struct Lot {
    pub seed: u64,
    first: u64,
    end: u64,
}

impl Lot {
    /// Reads the selection from the environment.
    pub fn wanted() -> Self {
        let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
        let seed = number("BEARERD_SEED").unwrap_or(1);
        let first = number("BEARERD_FIRST").unwrap_or(0);
        match number("BEARERD_ONLY") {
            Some(only) => Self { seed, first: only, end: only + 1 },
            None => Self { seed, first, end: number("BEARERD_MUTATIONS").unwrap_or(FEW) * 2 },
        }
    }

    pub fn count(&self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    /// The case numbers of one worker.
    pub fn numbers(self, place: usize) -> impl Iterator<Item = u64> {
        let (place, workers) = (place as u64, WORKERS as u64);
        (self.first..self.end).filter(move |number| number / 2 % workers == place)
    }
}

/// The results so far.
pub struct Tally {
    pub done: AtomicU64,
    /// The case that each worker is playing.
    pub current: Vec<AtomicU64>,
    /// The memory after the warm-up.
    pub warm: AtomicU64,
    faults: Mutex<Vec<String>>,
    dead: AtomicBool,
    began: Instant,
}

impl Tally {
    pub fn of(workers: usize) -> Self {
        let current = std::iter::repeat_with(|| AtomicU64::new(u64::MAX)).take(workers).collect();
        let (done, warm, faults, dead) = Default::default();
        Self { done, current, warm, faults, dead, began: Instant::now() }
    }

    pub fn fault(&self, number: u64, why: &str, bytes: &[u8]) {
        if !self.dead.load(SeqCst) {
            let text = format!("BEARERD_ONLY={number}: {why}\n  bytes: \"{}\"\n", bytes.escape_ascii());
            eprintln!("{text}");
            self.faults.lock().unwrap().push(text);
        }
    }

    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }

    pub fn told(&self) -> String {
        self.faults().join("\n")
    }

    pub fn died(&self) {
        self.dead.store(true, SeqCst);
    }

    pub fn is_over(&self) -> bool {
        self.dead.load(SeqCst) || self.faults.lock().unwrap().len() > MOST
    }

    /// The case to continue from.
    fn next(&self, lot: &Lot) -> u64 {
        self.current.iter().map(|current| current.load(SeqCst)).min().unwrap_or(lot.end).min(lot.end)
    }

    pub fn tell(&self, lot: &Lot, memory: u64) {
        let (done, next, took) = (self.done.load(SeqCst), self.next(lot), self.began.elapsed());
        let pace = done as f64 / took.as_secs_f64();
        eprintln!(
            "{done} of {} cases, {pace:.0}/s, {} faults, {} KiB; continue with BEARERD_SEED={} BEARERD_FIRST={next}",
            lot.count(),
            self.faults().len(),
            memory >> 10,
            lot.seed,
        );
    }

    /// The cases that may have ended the process.
    pub fn suspects(&self) -> String {
        let current = self.current.iter().map(|current| current.load(SeqCst)).filter(|number| *number != u64::MAX);
        let numbers: Vec<_> = current.map(|number| number.to_string()).collect();
        format!("one of these cases caused it (BEARERD_ONLY): {}", numbers.join(" "))
    }
}

/// The memory of a process in bytes; `None` once it has ended.
pub fn memory(process: u32) -> Option<u64> {
    let pages = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let resident = pages.split(' ').nth(1)?.parse::<u64>().ok()?;
    (resident > 0).then_some(resident * 4096)
}
