//! `blockcast submit --chain NAME FILE|-`: a block by hand, and what became of it.

use std::time::Duration;

use anyhow::{Context, anyhow};
use hyper::StatusCode;

use crate::cli::{Goal, Submit};
use crate::client::{self, Client};
use crate::view::Style;
use crate::view::delivery::Delivery;
use crate::{base_url, input, output};

/// How long the daemon itself waits if nothing is asked for (DESIGN §5), in seconds.
const DEFAULT_WAIT: u16 = 4;

/// What the way there and back may take beyond the wait: a block of 4 MB over a slow line.
const TRANSFER: Duration = Duration::from_secs(30);

/// What it means when the answer got lost.
const UNKNOWN: &str = "the daemon may have the block or not, and it is safe to submit it again";

pub(crate) fn run(args: &Submit) -> anyhow::Result<bool> {
    let client = Client::new(&args.daemon)?;
    let block = input::read_block(&args.block)?;
    let path = path(args);
    let limit = TRANSFER + Duration::from_secs(args.timeout.unwrap_or(DEFAULT_WAIT).into());
    let reply = client::block_on(async {
        let reply = client.post_block(&path, block, limit).await;
        reply.map_err(|error| match error.is_before_sending() {
            true => error.into(),
            false => anyhow!(error).context(UNKNOWN),
        })
    })?;
    // Whatever the verdict is, it comes as a report; anything else is the daemon refusing the request itself.
    let json = match reply.status {
        StatusCode::OK | StatusCode::ACCEPTED => client.json(&path, &reply)?,
        _ => return Err(client.refusal(&path, &reply).into()),
    };
    let delivery: Delivery = serde_json::from_value(json.clone()).with_context(|| {
        format!("{} answered with something that is no delivery report", client.address())
    })?;
    if args.json {
        output::print_json(&json)?;
    } else {
        output::print(&delivery.render(args.wait, Style::of_stdout()))?;
    }
    Ok(delivery.has_reached(args.wait))
}

fn path(args: &Submit) -> String {
    let goal = match args.wait {
        Goal::Node => "node".to_owned(),
        Goal::Peers(wanted) => format!("peers:{wanted}"),
    };
    let timeout = args.timeout.map(|seconds| format!("&timeout={seconds}")).unwrap_or_default();
    format!("/api/v1/chains/{}/blocks?wait={goal}{timeout}", base_url::segment(&args.chain))
}
