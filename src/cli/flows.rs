//! `bearerd flows`.

use super::Failure;
use super::args;
use super::output::Output;

pub(super) fn flows(_args: &args::Flows, _output: &Output) -> Result<(), Failure> {
    Ok(())
}
