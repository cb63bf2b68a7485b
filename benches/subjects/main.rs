//! What many users cost: memory for each, instructions to find one, CPU while none does anything.
//!
//! `cargo bench --bench subjects` prints the table for 100 to 100,000 subjects; each size runs in a process of its own,
//! because an allocator gives little back. Under `valgrind --tool=callgrind --toggle-collect='*warm_lookup*'` the
//! argument `lookup` gives the instructions of a thousand look-ups.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

mod scene;

use std::process::Command;
use std::time::{Duration, Instant};

use scene::{Scene, TOKEN, warm_lookup};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
const IDLE: Duration = Duration::from_secs(5);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["lookup"] => lookup(),
        [size, "cold"] => runtime().block_on(cold(size.parse().unwrap())),
        [size] => runtime().block_on(row(size.parse().unwrap())),
        _ => table(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn table() {
    println!(
        "Bytes for each subject, in all and beyond its token of {TOKEN}. A subject that was used within the last minute has"
    );
    println!("its token rendered as a header too, which is a second copy.\n");
    println!("| subjects | warm | beyond two | cold | beyond one | to open | CPU while idle | look-up |");
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    for size in SIZES {
        let own = std::env::current_exe().unwrap();
        for kind in [None, Some("cold")] {
            assert!(Command::new(&own).arg(size.to_string()).args(kind).status().unwrap().success());
        }
    }
}

async fn row(size: usize) {
    let mut scene = Scene::new(size);
    // The first ones pay for what is there once.
    scene.open(10, false).await;
    let (before, started) = (memory(), Instant::now());
    scene.open(size, false).await;
    let (opening, grown) = (started.elapsed(), memory() - before);
    let working = cpu();
    tokio::time::sleep(IDLE).await;
    let idle = (cpu() - working).as_secs_f64() / IDLE.as_secs_f64();
    let (rounds, started) = (100_000, Instant::now());
    warm_lookup(&mut scene, rounds);
    let lookup = started.elapsed().as_nanos() / rounds as u128;
    let (each, micros) = (grown / size, opening.as_micros() / size as u128);
    let (beyond, idle) = (each.saturating_sub(2 * TOKEN), idle * 100.0);
    println!("| {size} | {each} | {beyond} | | | {micros} µs | {idle:.2} % | {lookup} ns |");
}

async fn cold(size: usize) {
    let mut scene = Scene::new(size);
    scene.open(10, true).await;
    let before = memory();
    scene.open(size, true).await;
    let each = (memory() - before) / size;
    println!("| {size} | | | {each} | {} | | | |", each.saturating_sub(TOKEN));
}

fn lookup() {
    runtime().block_on(async {
        let mut scene = Scene::new(1_000);
        scene.open(1_000, false).await;
        warm_lookup(&mut scene, 1_000);
    });
}

/// Private bytes of this process.
fn memory() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// CPU time of this process, user and system, in ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
