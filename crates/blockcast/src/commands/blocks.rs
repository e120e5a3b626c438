//! `blockcast blocks`: the blocks that the daemon knows, and what the chain says of each.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde::Deserialize;

use crate::cli::Blocks;
use crate::client::{self, Client};
use crate::view::Style;
use crate::view::blocks::Listing;
use crate::{base_url, output};

/// How long the daemon may take: it may have to look through years of history on a slow disk.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &Blocks) -> anyhow::Result<bool> {
    let client = Client::new(&args.daemon)?;
    let path = path(args, unix_now());
    let json = client::block_on(async { Ok(client.get_json(&path, LIMIT).await?) })?;
    let listing = Listing::deserialize(&json)
        .with_context(|| format!("{} answered with something that is no list of blocks", client.address()))?;
    if let Some(note) = listing.ledger.note() {
        output::note(&note);
    }
    if args.json {
        output::print_json(&json)?;
    } else if args.csv {
        output::print(&listing.csv())?;
    } else {
        let page = listing.render(args.is_filtered(), args.limit.into(), Style::of_stdout());
        output::print(&page)?;
    }
    Ok(true)
}

/// Unix milliseconds.
pub(super) fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn path(args: &Blocks, now: u64) -> String {
    let mut path = format!("/api/v1/blocks?limit={}", args.limit);
    let states = (!args.state.is_empty()).then(|| args.state.join(","));
    let chain = args.chain.as_deref().map(base_url::segment);
    let since = args.since.map(|since| since.unix_ms(now).to_string());
    let until = args.until.map(|until| until.unix_ms(now).to_string());
    let wanted = [
        ("chain", chain),
        ("state", states),
        ("source", args.source.clone()),
        ("since", since),
        ("until", until),
    ];
    for (name, value) in wanted {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={value}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn asked(args: &[&str]) -> String {
        let cli = Cli::try_parse_from([&["blockcast", "blocks"], args].concat()).unwrap();
        let Command::Blocks(args) = cli.command else { panic!("blocks") };
        path(&args, 1_795_172_838_042)
    }

    #[test]
    fn the_daemon_is_asked_for_what_the_command_line_says() {
        assert_eq!(asked(&[]), "/api/v1/blocks?limit=100");
        let args = [
            "--chain",
            "a&b",
            "--state",
            "open,side",
            "--source",
            "rest",
            "--since",
            "1h",
            "--until",
            "2026-11-20",
        ];
        let expected = "/api/v1/blocks?limit=100&chain=a%26b&state=open,side&source=rest&since=1795169238042\
                        &until=1795132800000";
        assert_eq!(asked(&args), expected);
    }
}
