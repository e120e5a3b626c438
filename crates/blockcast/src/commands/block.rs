//! `blockcast block HASH`: all that is known of a block, or its bytes.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, IsTerminal, Write, stdout};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;

use super::blocks::unix_now;
use crate::cli::Block;
use crate::client::{self, Client};
use crate::output;
use crate::view::Style;
use crate::view::history::History;

/// How long the daemon may take: for a block that is long over it asks its disk.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &Block) -> anyhow::Result<bool> {
    let client = Client::new(&args.daemon)?;
    match &args.raw {
        Some(file) => save(&client, &args.hash, file, args.force)?,
        None => show(&client, args)?,
    }
    Ok(true)
}

fn show(client: &Client, args: &Block) -> anyhow::Result<()> {
    let path = format!("/api/v1/blocks/{}", args.hash);
    let json = client::block_on(async { Ok(client.get_json(&path, LIMIT).await?) })?;
    let history = History::deserialize(&json).with_context(|| {
        format!("{} answered with something that is no block's history", client.address())
    })?;
    if let Some(note) = history.ledger.note() {
        output::note(&note);
    }
    if args.json {
        output::print_json(&json)
    } else {
        output::print(&history.render(unix_now(), Style::of_stdout()))
    }
}

fn save(client: &Client, hash: &str, file: &Path, force: bool) -> anyhow::Result<()> {
    let to_stdout = file == Path::new("-");
    if to_stdout && stdout().is_terminal() {
        bail!("the block is not text; name a file, or lead standard output to one or to another program");
    }
    let bytes = client::block_on(raw(client, hash))?;
    if to_stdout {
        output::write(&bytes)?;
        output::note(&format!("{} bytes", bytes.len()));
        return Ok(());
    }
    let shown = file.display();
    write(file, &bytes, force).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow::anyhow!("{shown} is there already; --force overwrites it"),
        _ => anyhow::Error::new(error).context(format!("cannot write {shown}")),
    })?;
    output::note(&format!("{} bytes written to {shown}", bytes.len()));
    Ok(())
}

async fn raw(client: &Client, hash: &str) -> anyhow::Result<Bytes> {
    let path = format!("/api/v1/blocks/{hash}/raw");
    let reply = client.get(&path, LIMIT).await?;
    match reply.status {
        StatusCode::OK => Ok(reply.body),
        _ => Err(client.refusal(&path, &reply).into()),
    }
}

fn write(file: &Path, bytes: &[u8], force: bool) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    // What is not there is made, and nothing else is touched: that is one step, so nobody can come in between.
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut opened = options.open(file)?;
    let written = opened.write_all(bytes).and_then(|()| opened.flush());
    if written.is_err() && !force {
        // Half a block is of no use, and would be in the way of the next attempt.
        drop(fs::remove_file(file));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_overwritten_only_by_force() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("block.bin");
        write(&file, b"long block", false).unwrap();
        assert_eq!(write(&file, b"block", false).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"long block");
        write(&file, b"block", true).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"block");
    }
}
