//! What can be asked for on the command line.

mod blocks;
mod goal;
mod moment;
mod peers;

use std::path::PathBuf;

use chain::Network;
use clap::{Args, Parser, Subcommand, ValueHint, builder::PossibleValuesParser};
use clap_complete::Shell;
use engine::KNOWN_CHAINS;

pub(crate) use self::blocks::{Block, Blocks, Replay};
pub(crate) use self::goal::{Goal, Waiting};
pub(crate) use self::peers::{OfChain, Peers, PeersBan, PeersCommand, PeersExplain, PeersList, PeersUnban};
use crate::base_url::{BaseUrl, DEFAULT_URL};

/// Gets a block that your pool has found to your nodes and to many peers at once, and proves that it arrived.
#[derive(Debug, Parser)]
#[command(name = "blockcast", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 done, 1 failed, 2 not a valid command line, 78 bad configuration.\n\
    Example: blockcast run --config config")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon, until SIGTERM or SIGINT
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// See it at work in a simulated network: no node, no configuration, no network needed
    #[command(after_help = DEMO_HELP)]
    Demo(Demo),
    /// Hand a block to the running daemon, and print what became of it
    #[command(after_help = SUBMIT_HELP)]
    Submit(Submit),
    /// Show how the running daemon, its nodes, its peers and its latest blocks are
    #[command(after_help = STATUS_HELP)]
    Status(Status),
    /// List the blocks that the running daemon knows, and what the chain says of each
    #[command(after_help = blocks::BLOCKS_HELP)]
    Blocks(Blocks),
    /// Show all that is known of a block: its deliveries, every verdict, its fate and why; or get its bytes
    #[command(after_help = blocks::BLOCK_HELP)]
    Block(Block),
    /// Send a block that the daemon has kept on its way again, and print what became of it
    #[command(after_help = blocks::REPLAY_HELP)]
    Replay(Replay),
    /// Show whom the running daemon knows and why, and keep hosts away from it
    #[command(after_help = PEERS_HELP)]
    Peers(Peers),
    /// Check a configuration directory, and with --live the nodes that it names
    #[command(after_help = CHECK_CONFIG_HELP)]
    CheckConfig(CheckConfig),
    /// Judge a block without sending it anywhere; needs no daemon and no node
    #[command(after_help = DECODE_HELP)]
    Decode(Decode),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(Completions),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The directory that holds blockcast.toml and chains/
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after so many blocks [default: go on until Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) blocks: Option<u32>,
    /// How many seconds after one block the next is found, at the earliest
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) interval: u16,
    /// How large each block is, up to a million bytes [default: 20000, 100000 and 400000 in turn on each chain]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) size: Option<usize>,
    /// Decides in which order the peers are dialled and how far away each is
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one delivery report a line, as JSON, with what is true beside it
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the daemon's log to standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// The largest block of the demo, in bytes: what a block without witnesses may have.
const LARGEST_BLOCK: usize = 1_000_000;

fn parse_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (1..=LARGEST_BLOCK).contains(size));
    size.ok_or_else(|| format!("write a number of bytes from 1 to {LARGEST_BLOCK}"))
}

/// Which daemon to talk to.
#[derive(Debug, Args)]
pub(crate) struct Daemon {
    /// Where the daemon serves HTTP
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL, conflicts_with = "config")]
    pub(crate) url: BaseUrl,
    /// Take address and token from this configuration directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) config: Option<PathBuf>,
    /// The file that holds the daemon's token: the one that token_file in its blockcast.toml names
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "config")]
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The chain, as its file in chains/ is called
    #[arg(long, value_name = "NAME")]
    pub(crate) chain: String,
    /// The block, raw or in hex; - reads standard input
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) block: PathBuf,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print all of it as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The directory that holds blockcast.toml and chains/
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Ask every node of every enabled chain, by RPC and as a peer
    #[arg(long)]
    pub(crate) live: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Whose rules the block is held against
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(KNOWN_CHAINS))]
    pub(crate) chain: String,
    /// Which network's
    #[arg(long, default_value = "mainnet", value_name = "mainnet|testnet|regtest")]
    pub(crate) network: Network,
    /// The block, raw or in hex; - reads standard input
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) block: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell's
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

const RUN_HELP: &str = "\
The first SIGTERM or SIGINT lets running deliveries finish, for at most 8 seconds; a second one ends at once. What no \
node has by then is in the journal and is sent again at the next start.

Exit status: 0 ended by a signal, 1 failed, 2 not a valid command line, 78 bad configuration.

Example:
  blockcast run --config /etc/blockcast";

const DEMO_HELP: &str = "\
Simulated peers of mixed temperament and nodes of several chains run in this process; the engine, its configuration, its \
front doors and all sockets are real, on 127.0.0.1. While it runs, `blockcast status` shows it.

Exit status: 0 every honest peer and every node took each block and was reported so, and nobody else was, and so with \
blocks that a quorum made final, 1 not so or failed, 2 not a valid command line.

Examples:
  blockcast demo
  blockcast demo --blocks 3 --json";

const SUBMIT_HELP: &str = "\
Exit status: 0 the goal is reached (`node`: a node of yours has the block in its active chain), 1 it is not, 2 not a \
valid command line, 78 bad configuration.

Examples:
  blockcast submit --chain litecoin block.hex
  litecoin-cli getblock HASH 0 | blockcast submit --chain litecoin --wait peers:3 --timeout 10 -";

const STATUS_HELP: &str = "\
Exit status: 0 the daemon can take blocks, 1 it cannot or does not answer.

Examples:
  blockcast status
  blockcast status --config /etc/blockcast --json";

const PEERS_HELP: &str = "\
Exit status: 0 done, 1 failed, 2 not a valid command line, 78 bad configuration. Each of the four has its own --help.

Examples:
  blockcast peers
  blockcast peers --all --chain litecoin
  blockcast peers explain 203.0.113.7:9333
  blockcast peers ban 203.0.113.7 --for 7d";

const CHECK_CONFIG_HELP: &str = "\
Exit status: 0 nothing is wrong, 1 a node failed --live, 2 not a valid command line, 78 bad configuration.

Example:
  blockcast check-config --live /etc/blockcast";

const DECODE_HELP: &str = "\
Exit status: 0 a peer would take the block as far as can be told from it alone, 1 it would not.

Examples:
  blockcast decode --chain litecoin block.hex
  litecoin-cli -regtest getblock HASH 0 | blockcast decode --chain litecoin --network regtest -";

const COMPLETIONS_HELP: &str = "\
Example:
  blockcast completions bash > ~/.local/share/bash-completion/completions/blockcast";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_shows_an_example() {
        let mut cli = Cli::command();
        cli.clone().debug_assert();
        check_help("blockcast", &mut cli);
    }

    /// The help of all commands below this one, and of those below them.
    fn check_help(above: &str, command: &mut clap::Command) {
        let own = command.get_subcommands_mut().filter(|command| command.get_name() != "help");
        for command in own {
            let name = format!("{above} {}", command.get_name());
            let help = command.render_help().to_string();
            assert!(help.contains("Example") && help.contains(&format!("  {name}")), "{help}");
            let long = help.lines().find(|line| line.chars().count() > 120);
            assert_eq!(long, None, "{name}");
            // Paragraphs are broken where they are printed, and nowhere before.
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<_> = after.lines().collect();
            let is_broken = |pair: &&[&str]| {
                !pair[0].is_empty()
                    && !pair[0].starts_with(' ')
                    && pair[1].starts_with(|c: char| c.is_alphanumeric())
            };
            assert_eq!(lines.windows(2).find(is_broken), None, "{name}");
            check_help(&name, command);
        }
    }
}
