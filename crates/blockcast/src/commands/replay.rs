//! `blockcast replay HASH`: a block that is kept, once more, and what became of it.

use hyper::Method;

use super::submit;
use crate::cli::Replay;
use crate::client::{self, Client};

pub(crate) fn run(args: &Replay) -> anyhow::Result<bool> {
    let client = Client::new(&args.daemon)?;
    let path = format!("/api/v1/blocks/{}/replay?{}", args.hash, args.waiting.query());
    let limit = submit::TRANSFER + args.waiting.longest();
    // Whether it left or not: to ask again joins the delivery or begins another, and does no harm.
    let reply =
        client::block_on(async { Ok(client.ask_for_change(Method::POST, &path, None, limit).await?) })?;
    submit::report(&client, &path, &reply, args.waiting.goal, args.json)
}
