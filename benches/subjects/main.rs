//! The cost of many users: memory per user, instructions to find one, CPU while all are idle.
//!
//! `cargo bench --bench subjects` prints a table for 100 to 100,000 subjects. Each value comes from its own process,
//! because allocators return little memory. If valgrind is installed, callgrind counts the instructions of a look-up,
//! as the slope between two numbers of look-ups, so that fixed costs do not count. `cargo bench --bench subjects --
//! lookups 1000` prints only these.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

mod scene;

use std::process::Command;
use std::time::{Duration, Instant};

use scene::{Scene, TOKEN, warm_lookup};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
/// As long as the pool's longest sleep, so that one is included.
const IDLE: Duration = Duration::from_secs(60);
/// The numbers of look-ups between which the slope is taken.
const TIMES: [usize; 2] = [1_000, 11_000];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["lookups", size] => println!("{}", instructions(size)),
        [size, "cold"] => runtime().block_on(cold(size.parse().unwrap())),
        [size, "warm"] => runtime().block_on(warm(size.parse().unwrap())),
        [size, times] => runtime().block_on(lookups(size.parse().unwrap(), times.parse().unwrap())),
        _ => table(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn table() {
    println!(
        "Bytes are for each subject beyond its token of {TOKEN}: warm, that was used within the last minute and has its"
    );
    println!("token rendered as a header too (a second copy, not counted either), and cold.\n");
    println!("| subjects | bytes, warm | bytes, cold | to open | CPU of all while idle | look-up | instructions |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for size in SIZES.map(|size| size.to_string()) {
        let (warm, cold) = (of_own(&[&size, "warm"]), of_own(&[&size, "cold"]));
        let (bytes, rest) = warm.split_once(' ').unwrap();
        println!("| {size} | {bytes} | {cold} | {rest} | {} |", instructions(&size));
    }
}

/// The output of this program with these arguments.
fn of_own(arguments: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The instructions of one look-up among this many subjects.
fn instructions(size: &str) -> String {
    let [few, many] = TIMES.map(|times| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*warm_lookup*"]);
        let output = valgrind.arg(std::env::current_exe().unwrap()).args([size, &times.to_string()]).output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines().find_map(|line| line.split_once("Collected : ")?.1.parse::<usize>().ok())
    });
    let slope = |few, many: usize| (many - few) / (TIMES[1] - TIMES[0]);
    few.zip(many).map_or("no valgrind".to_owned(), |(few, many)| slope(few, many).to_string())
}

async fn warm(size: usize) {
    let mut scene = Scene::new(size);
    // The first subjects pay for fixed costs.
    scene.open(10, false).await;
    let (before, started) = (memory(), Instant::now());
    scene.open(size, false).await;
    let (opening, grown) = (started.elapsed(), memory() - before);
    let working = cpu();
    tokio::time::sleep(IDLE).await;
    let idle = (cpu() - working).as_micros();
    let (rounds, started) = (100_000, Instant::now());
    warm_lookup(&mut scene, rounds);
    let lookup = started.elapsed().as_nanos() / rounds as u128;
    let (beyond, opening) = ((grown / size).saturating_sub(2 * TOKEN), opening.as_micros() / size as u128);
    println!("{beyond} {opening} µs | {idle} µs in {} s | {lookup} ns", IDLE.as_secs());
}

async fn cold(size: usize) {
    let mut scene = Scene::new(size);
    scene.open(10, true).await;
    let before = memory();
    scene.open(size, true).await;
    println!("{}", ((memory() - before) / size).saturating_sub(TOKEN));
}

async fn lookups(size: usize, times: usize) {
    let mut scene = Scene::new(size);
    scene.open(size, false).await;
    warm_lookup(&mut scene, times);
}

/// The private memory of this process in bytes.
fn memory() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// The CPU time of this process, which has one thread.
fn cpu() -> Duration {
    let schedule = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(schedule.split_whitespace().next().unwrap().parse().unwrap())
}
