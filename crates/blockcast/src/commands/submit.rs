//! `blockcast submit --chain NAME FILE|-`: a block by hand, and what became of it.

use std::time::Duration;

use anyhow::{Context, anyhow};
use hyper::StatusCode;

use crate::cli::{Goal, Submit};
use crate::client::{self, Client, Reply};
use crate::view::Style;
use crate::view::delivery::Delivery;
use crate::{base_url, input, output};

/// What the way there and back may take beyond the wait: a block of 4 MB over a slow line.
pub(super) const TRANSFER: Duration = Duration::from_secs(30);

/// What it means when the answer got lost.
const UNKNOWN: &str = "the daemon may have the block or not, and it is safe to submit it again";

pub(crate) fn run(args: &Submit) -> anyhow::Result<bool> {
    let client = Client::new(&args.daemon)?;
    let block = input::read_block(&args.block)?;
    let (chain, query) = (base_url::segment(&args.chain), args.waiting.query());
    let path = format!("/api/v1/chains/{chain}/blocks?{query}");
    let limit = TRANSFER + args.waiting.longest();
    let reply = client::block_on(async {
        let reply = client.post_block(&path, block, limit).await;
        reply.map_err(|error| match error.is_before_sending() {
            true => error.into(),
            false => anyhow!(error).context(UNKNOWN),
        })
    })?;
    report(&client, &path, &reply, args.waiting.goal, args.json)
}

/// Prints the report of a delivery that was asked for, and says whether what the caller waited for has come about.
pub(super) fn report(
    client: &Client,
    path: &str,
    reply: &Reply,
    goal: Goal,
    as_json: bool,
) -> anyhow::Result<bool> {
    // Whatever the verdict is, it comes as a report; anything else is the daemon refusing the request itself.
    let json = match reply.status {
        StatusCode::OK | StatusCode::ACCEPTED => client.json(path, reply)?,
        _ => return Err(client.refusal(path, reply).into()),
    };
    let delivery: Delivery = serde_json::from_value(json.clone()).with_context(|| {
        format!("{} answered with something that is no delivery report", client.address())
    })?;
    if as_json {
        output::print_json(&json)?;
    } else {
        output::print(&delivery.render(goal, Style::of_stdout()))?;
    }
    Ok(delivery.has_reached(goal))
}
