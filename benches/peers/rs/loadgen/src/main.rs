//! A small load generator on one thread: it sends known requests to a local port and counts what they cost the other
//! side.
//!
//! - `loadgen load`: a closed loop, or an open loop with `--rate`; prints one JSON object.
//! - `loadgen hold`: one request on each of many connections, which it then keeps open until its input closes.
//! - `loadgen first`: starts a command and asks until the first 200; prints how long that took. The command stays.
mod connection;
mod first;
mod hold;
mod load;
mod options;
mod report;
mod response;
mod sample;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let outcome = options::parse(arguments).and_then(|options| match command.as_str() {
        "load" => load::run(&options),
        "hold" => hold::run(&options),
        "first" => first::run(&options),
        other => Err(format!("no command {other:?}: load, hold or first").into()),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadgen: {error}");
            ExitCode::FAILURE
        }
    }
}
