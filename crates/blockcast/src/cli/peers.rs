//! What can be asked for with `blockcast peers`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::{Daemon, moment};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Peers {
    /// What to do; `list` if nothing is named
    #[command(subcommand)]
    pub(crate) what: Option<PeersCommand>,
    #[command(flatten)]
    pub(crate) list: PeersList,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PeersCommand {
    /// List the peers that are connected or being dialled, and the bans
    #[command(after_help = PEERS_LIST_HELP)]
    List(PeersList),
    /// Show what a peer's score is made of, and all that is known of it
    #[command(after_help = PEERS_EXPLAIN_HELP)]
    Explain(PeersExplain),
    /// Keep a host away, on all its ports and across restarts: hang up on it, and do not dial it
    #[command(after_help = PEERS_BAN_HELP)]
    Ban(PeersBan),
    /// Let a banned host back in
    #[command(after_help = PEERS_UNBAN_HELP)]
    Unban(PeersUnban),
}

/// Which chain of which daemon.
#[derive(Debug, Args)]
pub(crate) struct OfChain {
    /// The chain, as its file in chains/ is called; may be left out where there is only one, and to list all
    #[arg(long, value_name = "NAME")]
    pub(crate) chain: Option<String>,
    /// Print what the daemon says as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}

#[derive(Debug, Args)]
pub(crate) struct PeersList {
    /// List the whole book, also whom there is no connection to
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) of: OfChain,
}

#[derive(Debug, Args)]
pub(crate) struct PeersExplain {
    /// The peer as host:port, with brackets around an IPv6 host
    #[arg(value_name = "ADDRESS", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) address: String,
    #[command(flatten)]
    pub(crate) of: OfChain,
}

#[derive(Debug, Args)]
pub(crate) struct PeersBan {
    /// An IP address or a name; a port is dropped
    #[arg(value_name = "HOST", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) host: String,
    /// For how long: a number and s, m, h or d, up to 3650d
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = parse_span)]
    pub(crate) seconds: u64,
    #[command(flatten)]
    pub(crate) of: OfChain,
}

#[derive(Debug, Args)]
pub(crate) struct PeersUnban {
    /// The host as `blockcast peers` lists it; a port is dropped
    #[arg(value_name = "HOST", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) host: String,
    #[command(flatten)]
    pub(crate) of: OfChain,
}

/// The longest ban, in seconds: ten years, which is the daemon's own limit.
const LONGEST_BAN: u64 = 3650 * 86_400;

/// A span of time in seconds.
fn parse_span(text: &str) -> Result<u64, String> {
    let seconds = moment::span(text).filter(|seconds| (1..=LONGEST_BAN).contains(seconds));
    seconds.ok_or_else(|| "write a number and s, m, h or d, such as 90m or 7d, from 1s to 3650d".into())
}

const PEERS_LIST_HELP: &str = "\
Exit status: 0 the daemon has answered, 1 it has not, or it does not run the chain.

Examples:
  blockcast peers list
  blockcast peers list --all --config /etc/blockcast --json";

const PEERS_EXPLAIN_HELP: &str = "\
Exit status: 0 the peer is in the book, 1 it is not, or the daemon does not answer.

Examples:
  blockcast peers explain 203.0.113.7:9333
  blockcast peers explain '[2001:db8::1]:9333' --chain litecoin --json";

const PEERS_BAN_HELP: &str = "\
Your own nodes and fixed peers cannot be banned: take them out of the configuration. A second ban of a host takes the \
place of the first.

Exit status: 0 the host is banned, 1 it is not, or the ban is in force but could not be saved.

Examples:
  blockcast peers ban 203.0.113.7
  blockcast peers ban 2001:db8::1 --for 90m --chain litecoin";

const PEERS_UNBAN_HELP: &str = "\
Exit status: 0 the ban is lifted, 1 there was none, or it is lifted but that could not be saved.

Example:
  blockcast peers unban 203.0.113.7";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_unit_and_bounds() {
        for (text, seconds) in
            [("1s", 1), ("90m", 5400), ("24h", 86_400), ("7d", 604_800), ("3650d", LONGEST_BAN)]
        {
            assert_eq!(parse_span(text), Ok(seconds), "{text}");
        }
        for wrong in [
            "",
            "d",
            "7",
            "7D",
            "0s",
            "-1h",
            "+1h",
            "1.5h",
            "1 h",
            "3651d",
            "7days",
            "1é",
            "99999999999999999999d",
        ] {
            assert!(parse_span(wrong).is_err(), "{wrong:?}");
        }
        assert!(parse_span("213503982334602d").is_err(), "more seconds than a number holds");
    }
}
