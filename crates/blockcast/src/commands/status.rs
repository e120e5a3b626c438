//! `blockcast status`: the daemon, its nodes, its peers and its latest blocks, on one page.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Map, Value};

use super::blocks::unix_now;
use crate::cli::Status;
use crate::client::{self, Client};
use crate::view::Style;
use crate::view::status::Overview;
use crate::{base_url, output};

/// How many blocks of each chain are shown, the newest.
const BLOCKS: usize = 10;

/// How long the daemon may take for each question. It answers from memory, or looks for a few blocks on its disk.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &Status) -> anyhow::Result<bool> {
    let client = Client::new(&args.daemon)?;
    let json = client::block_on(ask(&client))?;
    let overview: Overview = serde_json::from_value(json.clone()).with_context(|| {
        format!("{} answered with something that is no Blockcast's status", client.address())
    })?;
    if args.json {
        output::print_json(&json)?;
    } else {
        output::print(&overview.render(client.address(), unix_now(), Style::of_stdout()))?;
    }
    Ok(overview.ready)
}

/// What `/api/v1/chains` says, with the peers and the latest blocks of each chain added: the JSON form of this command.
async fn ask(client: &Client) -> anyhow::Result<Value> {
    let mut status = client.get_json("/api/v1/chains", LIMIT).await?;
    let chains = status["chains"].as_array().into_iter().flatten();
    let names: Vec<String> = chains.filter_map(|chain| chain["name"].as_str()).map(str::to_owned).collect();
    let (mut peers, mut blocks, mut ledger) = (Map::new(), Vec::new(), Value::Null);
    for name in names {
        let segment = base_url::segment(&name);
        let mut of_chain = client.get_json(&format!("/api/v1/chains/{segment}/peers"), LIMIT).await?;
        peers.insert(name, of_chain["peers"].take());
        // Each chain is asked for its own: a chain with a block a minute would hide all of one that has few.
        let path = format!("/api/v1/blocks?chain={segment}&limit={BLOCKS}");
        let mut of_chain = client.get_json(&path, LIMIT).await?;
        blocks.extend(of_chain["blocks"].as_array_mut().map(std::mem::take).unwrap_or_default());
        ledger = of_chain["ledger"].take();
    }
    let object = status.as_object_mut().context("the daemon's status is not an object")?;
    object.insert("peers".into(), peers.into());
    object.insert("blocks".into(), blocks.into());
    object.insert("ledger".into(), ledger);
    Ok(status)
}
