//! What can be asked for with `blockcast blocks`, `block` and `replay`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueHint};
use ledger::Source;

use super::moment::{self, Moment};
use super::{Daemon, Waiting};

/// What the chain can say of a block ([`ledger::Fate::state`]).
const STATES: [&str; 7] = ["open", "active", "side", "confirmed", "orphaned", "chainlocked", "rejected"];

#[derive(Debug, Args)]
pub(crate) struct Blocks {
    /// Only the blocks of this chain, as its file in chains/ is called
    #[arg(long, value_name = "NAME")]
    pub(crate) chain: Option<String>,
    /// Only those in one of these states, with commas between them
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = PossibleValuesParser::new(STATES))]
    pub(crate) state: Vec<String>,
    /// Only those that came in by this door first
    #[arg(long, value_name = "DOOR", value_parser = PossibleValuesParser::new(Source::ALL.map(Source::as_str)))]
    pub(crate) source: Option<String>,
    /// Only those received since then: 24h (so long ago), 2026-11-20, 2026-11-20T13:29:05 (UTC), or a Unix time
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    pub(crate) since: Option<Moment>,
    /// Only those received until then, in the same forms; a day begins at 00:00 UTC
    #[arg(long, value_name = "WHEN", value_parser = moment::parse)]
    pub(crate) until: Option<Moment>,
    /// How many at most, the newest; up to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Print what the daemon says as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print all fields as CSV (RFC 4180), with a line of headings
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}

impl Blocks {
    /// Whether less is asked for than all there is.
    pub(crate) fn is_filtered(&self) -> bool {
        let words = self.chain.is_some() || self.source.is_some() || !self.state.is_empty();
        words || self.since.is_some() || self.until.is_some()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Block {
    /// The block's hash: 64 hex digits
    #[arg(value_name = "HASH", value_parser = parse_hash)]
    pub(crate) hash: String,
    /// Print what the daemon says as JSON
    #[arg(long, conflicts_with = "raw")]
    pub(crate) json: bool,
    /// Write the block's bytes to a file instead, as they were handed in; - writes them to standard output
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) raw: Option<PathBuf>,
    /// Let --raw overwrite a file
    #[arg(long, requires = "raw")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The block's hash: 64 hex digits
    #[arg(value_name = "HASH", value_parser = parse_hash)]
    pub(crate) hash: String,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}

/// A hash as the daemon writes it: in lower case.
fn parse_hash(text: &str) -> Result<String, String> {
    let all_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.chars().count() {
        64 if all_hex => Ok(text.to_ascii_lowercase()),
        64 => Err("a block's hash is 64 hex digits; not all of these are".into()),
        length => Err(format!("a block's hash is 64 hex digits; these are {length} characters")),
    }
}

pub(super) const BLOCKS_HELP: &str = "\
The states: `open` (no node of yours has it in its active chain yet), `active` (one has), `side` (a rival is at its \
height), and for good `confirmed`, `chainlocked`, `orphaned`, and `rejected` (every node refused it).

Exit status: 0 the daemon has answered, 1 it has not, 2 not a valid command line, 78 bad configuration.

Examples:
  blockcast blocks
  blockcast blocks --chain litecoin --state orphaned,rejected --since 7d
  blockcast blocks --since 2026-11-01 --until 2026-12-01 --limit 1000 --csv > november.csv";

pub(super) const BLOCK_HELP: &str = "\
Exit status: 0 done, 1 the block is not known, its bytes are not kept any more, or the daemon does not answer, 2 not a \
valid command line, 78 bad configuration.

Examples:
  blockcast block c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  blockcast block c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5 --raw block.bin";

pub(super) const REPLAY_HELP: &str = "\
The daemon takes the bytes that it has kept. If the block is on its way already, that delivery is what is waited for.

Exit status: 0 the goal is reached (`node`: a node of yours has the block in its active chain), 1 it is not, or the \
bytes are not kept any more, 2 not a valid command line, 78 bad configuration.

Example:
  blockcast replay c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5 --wait peers:3 --timeout 10";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    const HASH: &str = "c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5";

    fn error(args: &[&str]) -> String {
        Cli::try_parse_from([&["blockcast"], args].concat()).expect_err("no command line").to_string()
    }

    #[test]
    fn a_hash_is_64_hex_digits_in_any_case() {
        assert_eq!(parse_hash(&HASH.to_uppercase()).as_deref(), Ok(HASH));
        assert!(parse_hash(&HASH[1..]).unwrap_err().contains("63 characters"));
        assert!(parse_hash("").unwrap_err().contains("0 characters"));
        assert!(parse_hash(&format!("0x{}", &HASH[2..])).unwrap_err().contains("not all"));
        assert!(parse_hash(&"é".repeat(64)).unwrap_err().contains("not all"));
    }

    #[test]
    fn a_wrong_value_is_named_and_so_are_the_forms_that_it_could_have() {
        for (args, said) in [
            (&["blocks", "--since", "yesterday"][..], "'yesterday' for '--since <WHEN>': write how long ago"),
            (&["blocks", "--state", "open,gone"], "'gone' for '--state <STATE>'"),
            (&["blocks", "--source", "window"], "front_door"),
            (&["blocks", "--limit", "1001"], "1..=1000"),
            (&["blocks", "--csv", "--json"], "--json"),
            (&["block", HASH, "--raw", "x", "--json"], "--json"),
            (&["block", HASH, "--force"], "--raw"),
            (&["block", "c433"], "4 characters"),
            (&["replay"], "HASH"),
        ] {
            let error = error(args);
            assert!(error.contains(said), "{args:?}: {error}");
        }
    }

    #[test]
    fn states_may_be_given_together_or_one_by_one() {
        let args = ["blockcast", "blocks", "--state", "open,side", "--state", "active"];
        let Command::Blocks(blocks) = Cli::try_parse_from(args).unwrap().command else { panic!("blocks") };
        assert_eq!(blocks.state, ["open", "side", "active"]);
        assert!(blocks.is_filtered());
    }
}
