//! The `bearerd` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    bearerd::cli::main()
}
