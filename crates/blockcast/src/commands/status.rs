//! `blockcast status`: the daemon, its nodes, its peers and its latest blocks, on one page.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Map, Value};

use crate::cli::Status;
use crate::client::{self, Client};
use crate::view::Style;
use crate::view::status::Overview;
use crate::{base_url, output};

/// How long the daemon may take for each question. It answers from memory.
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
        output::print(&overview.render(client.address(), Style::of_stdout()))?;
    }
    Ok(overview.ready)
}

/// What `/api/v1/chains` says, with the peers by chain and the latest blocks added: the JSON form of this command.
async fn ask(client: &Client) -> anyhow::Result<Value> {
    let mut status = client.get_json("/api/v1/chains", LIMIT).await?;
    let chains = status["chains"].as_array().into_iter().flatten();
    let names: Vec<String> = chains.filter_map(|chain| chain["name"].as_str()).map(str::to_owned).collect();
    let mut peers = Map::new();
    for name in names {
        let path = format!("/api/v1/chains/{}/peers", base_url::segment(&name));
        let mut of_chain = client.get_json(&path, LIMIT).await?;
        peers.insert(name, of_chain["peers"].take());
    }
    let mut blocks = client.get_json("/api/v1/blocks", LIMIT).await?;
    let object = status.as_object_mut().context("the daemon's status is not an object")?;
    object.insert("peers".into(), peers.into());
    object.insert("blocks".into(), blocks["blocks"].take());
    Ok(status)
}
