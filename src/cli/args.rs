//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  bearerd demo                     try it: no account, no file
  bearerd flows younium            show what a flow needs, with a configuration to paste
  bearerd check                    report every mistake in the configuration
  bearerd run --config a.toml      run the proxy until SIGTERM

Without a configuration file:
  YOUNIUM_CLIENT_ID=… YOUNIUM_CLIENT_SECRET=… BEARERD_UPSTREAM__YOUNIUM__FLOW=younium bearerd run";

/// A local authenticating reverse proxy: your application calls localhost without credentials, and bearerd forwards
/// each call to the API with a fresh token.
#[derive(Parser, Debug)]
#[command(name = "bearerd", version, after_help = EXAMPLES, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Run the proxy
    Run(Run),
    /// Report every problem in the configuration
    Check(Check),
    /// Get one token and show its claims and lifetime
    Token(TokenArgs),
    /// Try bearerd with mocked APIs: no account, no file
    Demo(DemoArgs),
    /// List the built-in flows, or show what one needs
    Flows(FlowsArgs),
    /// Wait until the running proxy is started, ready or live
    Wait(Wait),
}

#[derive(ClapArgs, Debug)]
pub(super) struct ConfigArgs {
    /// TOML file, or `-` for standard input; can be repeated, later files win [env: BEARERD_CONFIG] [default:
    /// ./bearerd.toml, else /etc/bearerd/bearerd.toml, else only the environment]
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Vec<PathBuf>,
}

#[derive(ClapArgs, Debug)]
#[command(after_help = "Every configuration key can be an environment variable: `log.level` is BEARERD_LOG__LEVEL.\n\
SIGHUP reloads the configuration. SIGTERM drains connections and stops.")]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// Reload the configuration when one of its files changes [env: BEARERD_WATCH]
    #[arg(long)]
    pub(super) watch: bool,
}

#[derive(ClapArgs, Debug)]
#[command(
    after_help = "Exit code 0 without errors (warnings are allowed), 2 with errors. Nothing is started, and no network is used."
)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(super) format: OutputFormat,
}

#[derive(ClapArgs, Debug)]
#[command(
    after_help = "The token goes through the configured store and its lock, so that a running proxy keeps its session.\n\
Exit code 0 with a token, 2 for a configuration error, 3 if the credentials are refused, 4 if there is no token.\n\n\
Example:\n  curl -H \"$(bearerd token younium --header --reveal)\" https://api.example.com/accounts"
)]
pub(super) struct TokenArgs {
    #[command(flatten)]
    pub(super) source: ConfigArgs,
    /// Name of the upstream
    #[arg(value_name = "UPSTREAM")]
    pub(super) name: String,
    /// User whose token to get, if the flow has a token per user
    #[arg(long, value_name = "SUBJECT")]
    pub(super) subject: Option<String>,
    /// Show the token instead of a mask
    #[arg(long)]
    pub(super) reveal: bool,
    /// Print only the header lines that carry the token
    #[arg(long)]
    pub(super) header: bool,
    /// Log in even if that may end the session of a running proxy without a file or redis store
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
    /// Address of the first API; the others use the next ports
    #[arg(long, value_name = "ADDRESS", default_value = "localhost:8080")]
    pub(super) listen: String,
    /// Address of the admin listener
    #[arg(long, value_name = "ADDRESS", default_value = "localhost:9090")]
    pub(super) admin: String,
}

#[derive(ClapArgs, Debug)]
#[command(after_help = "Example:\n  bearerd flows yodlee")]
pub(super) struct FlowsArgs {
    /// Flow to show; without it, all flows are listed
    pub(super) name: Option<String>,
    /// Print Markdown
    #[arg(long)]
    pub(super) markdown: bool,
}

#[derive(ClapArgs, Debug)]
#[command(
    after_help = "Exit code 0 as soon as the state is reached, 4 if the timeout passes first.\n\nExample, as a container's health check:\n  \
bearerd wait --for live --timeout 2s"
)]
pub(super) struct Wait {
    /// State to wait for
    #[arg(long = "for", value_enum, value_name = "STATE", default_value_t = WaitFor::Started)]
    pub(super) state: WaitFor,
    /// How long to wait, as in `500ms`, `30s` or `2m`
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Address of the admin listener, or `unix:/path` [env: BEARERD_ADMIN] [default: from the configuration]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) admin: Option<String>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WaitFor {
    /// Every required upstream has had a token, or `runtime.startup_hold` has passed
    Started,
    /// Every required upstream has a valid token
    Ready,
    /// The process responds
    Live,
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::document::duration(text).ok_or_else(|| "add a unit, as in `500ms`, `30s` or `2m`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
