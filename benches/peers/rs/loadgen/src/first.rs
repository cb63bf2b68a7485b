//! The time from exec to the first response.
use crate::connection::Connection;
use crate::options::{Options, Outcome};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs::OpenOptions;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Prints the process id and the milliseconds from exec until the port accepted and until it returned 200. The process
/// keeps running.
pub fn run(options: &Options) -> Outcome<()> {
    let clock = Instant::now();
    let mut child = start(options)?;
    let request = options.request();
    let (mut accepted, mut last) = (None, 0);
    let limit = Duration::from_secs_f64(options.timeout);
    let milliseconds = || clock.elapsed().as_secs_f64() * 1e3;
    let failure = loop {
        if let Some(status) = child.try_wait()? {
            break format!("ended: {status}");
        }
        if clock.elapsed() > limit {
            break format!("no 200, last status {last}");
        }
        let Ok(mut connection) = Connection::open(options.port) else {
            sleep(Duration::from_micros(100));
            continue;
        };
        let accepted = *accepted.get_or_insert_with(milliseconds);
        last = connection.ask(&request).unwrap_or(0);
        if last == 200 {
            let answered = milliseconds();
            println!("{{\"pid\":{},\"accepted_ms\":{accepted:.2},\"answered_ms\":{answered:.2}}}", child.id());
            return Ok(());
        }
        sleep(Duration::from_micros(200));
    };
    println!("{{\"pid\":{},\"error\":\"{failure}\"}}", child.id());
    Ok(())
}

/// The child inherits the current core of this thread.
fn start(options: &Options) -> Outcome<Child> {
    let (program, arguments) = options.command.split_first().ok_or("no command after --")?;
    let log = OpenOptions::new().create(true).append(true).open(&options.log)?;
    let before = sched_getaffinity(None)?;
    if let Some(core) = options.cpu {
        let mut one = CpuSet::new();
        one.set(core);
        sched_setaffinity(None, &one)?;
    }
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    sched_setaffinity(None, &before)?;
    Ok(child?)
}
