//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  bearerd demo                     try it: no account, no file
  bearerd flows younium            what a flow needs, and a block to paste
  bearerd check                    find every mistake before it matters
  bearerd run --config a.toml      serve until SIGTERM

With no file at all:
  YOUNIUM_CLIENT_ID=… YOUNIUM_CLIENT_SECRET=… BEARERD_UPSTREAM__YOUNIUM__FLOW=younium bearerd run";

/// A local authenticating reverse proxy: your application calls localhost without credentials, the API gets each call
/// with a fresh token.
#[derive(Parser, Debug)]
#[command(name = "bearerd", version, after_help = EXAMPLES, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Serve
    Run(Run),
    /// Report every problem of the configuration at once
    Check(Check),
    /// Get one token now, and show its claims and life
    Token(TokenArgs),
    /// Show it all with mocked APIs: no account, no file
    Demo(DemoArgs),
    /// List the flows that ship, or show what one needs
    Flows(FlowsArgs),
    /// Wait until the running proxy is started, ready or live
    Wait(Wait),
}

#[derive(ClapArgs, Debug)]
pub(super) struct ConfigArgs {
    /// TOML file; may be repeated, later ones win; `-` is standard input [env: BEARERD_CONFIG] [default: the first of
    /// ./bearerd.toml and /etc/bearerd/bearerd.toml that exists, else the environment alone]
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Vec<PathBuf>,
}

#[derive(ClapArgs, Debug)]
#[command(
    after_help = "Every key of the configuration can be an environment variable: `log.level` is BEARERD_LOG__LEVEL.\n\
SIGHUP reads the configuration again; SIGTERM drains and stops."
)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// Read the configuration again whenever one of its files changes [env: BEARERD_WATCH]
    #[arg(long)]
    pub(super) watch: bool,
}

#[derive(ClapArgs, Debug)]
#[command(
    after_help = "Exit code 0 without errors (warnings allowed), 2 with errors. Nothing is started and nobody is called."
)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(super) format: OutputFormat,
}

#[derive(ClapArgs, Debug)]
#[command(
    after_help = "The token comes by the configured store, under its lock, so that no running proxy loses its session.\n\
Exit code 0 with a token, 2 for the configuration, 3 if the credentials are refused, 4 if no token can be had.\n\n\
Example:\n  curl -H \"$(bearerd token younium --header --reveal)\" https://api.example.com/accounts"
)]
pub(super) struct TokenArgs {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// The upstream
    #[arg(value_name = "UPSTREAM")]
    pub(super) name: String,
    /// Whose token, where each user has one
    #[arg(long, value_name = "SUBJECT")]
    pub(super) subject: Option<String>,
    /// Show the token itself
    #[arg(long)]
    pub(super) reveal: bool,
    /// Print the header lines that carry it, and nothing else
    #[arg(long)]
    pub(super) header: bool,
    /// Log in even if that may end the session of a proxy that runs without a store that lasts
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OutputFormat {
    Text,
    Json,
}

#[derive(ClapArgs, Debug)]
pub(super) struct DemoArgs {
    /// Address of the first API; the others follow on the next ports
    #[arg(long, value_name = "ADDRESS", default_value = "localhost:8080")]
    pub(super) listen: String,
    /// Address of the admin listener
    #[arg(long, value_name = "ADDRESS", default_value = "localhost:9090")]
    pub(super) admin: String,
}

#[derive(ClapArgs, Debug)]
#[command(after_help = "Example:\n  bearerd flows yodlee")]
pub(super) struct FlowsArgs {
    /// The flow to show; without it, all are listed
    pub(super) name: Option<String>,
    /// Print as Markdown, for documentation
    #[arg(long)]
    pub(super) markdown: bool,
}

#[derive(ClapArgs, Debug)]
#[command(
    after_help = "Exit code 0 as soon as it is so, 4 if it was not in time.\n\nExample, as a container's health check:\n  \
bearerd wait --for live --timeout 2s"
)]
pub(super) struct Wait {
    /// What to wait for
    #[arg(long = "for", value_enum, value_name = "STATE", default_value_t = WaitFor::Started)]
    pub(super) state: WaitFor,
    /// How long, as in `500ms`, `30s`, `2m`
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Address of the admin listener, or `unix:/path` [env: BEARERD_ADMIN] [default: that of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) admin: Option<String>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WaitFor {
    /// Every required upstream has had a first token, or the start did not wait longer
    Started,
    /// Every required upstream has a usable token now
    Ready,
    /// The process works
    Live,
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::document::duration(text).ok_or_else(|| "write it with a unit, like `500ms`, `30s` or `2m`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
