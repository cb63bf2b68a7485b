//! The commands. Errors become exit codes here and nowhere else.

mod args;
mod check;
mod demo;
mod failure;
mod flows;
mod output;
mod run;
mod token;
mod wait;

use std::process::ExitCode;

use clap::Parser;

use crate::config::Environment;
use crate::panics;
use args::{Args, Command};
use failure::{CONFIGURATION, CommandFailure};
use output::Output;

/// Runs the command line.
pub fn main() -> ExitCode {
    panics::watch();
    harden();
    let environment = environment();
    let output = Output::new(&environment);
    let done = match Args::try_parse() {
        Ok(args) => dispatch(args.command, environment, &output),
        Err(error) => {
            // A failure to print this cannot be reported.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(CONFIGURATION));
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                output.error(&failure.message, failure.hint.as_deref());
            }
            ExitCode::from(failure.exit)
        }
    }
}

/// Prevents core files and access to the memory by other processes of the same user, so that tokens are not exposed;
/// root can still read them. Best effort: some sandboxes do not allow it.
fn harden() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}

fn dispatch(command: Command, environment: Environment, output: &Output) -> Result<(), CommandFailure> {
    match command {
        Command::Run(args) => run::run(&args, environment, output),
        Command::Check(args) => check::check(&args, environment, output),
        Command::Demo(args) => demo::demo(&args, output),
        Command::Flows(args) => flows::flows(&args, output),
        Command::Token(args) => token::token(&args, environment, output),
        Command::Wait(args) => wait::wait(&args, environment),
    }
}

/// The only place that reads the process's environment.
fn environment() -> Environment {
    std::env::vars_os().collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn no_core_file_holds_a_secret() {
        harden();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
    }
}
