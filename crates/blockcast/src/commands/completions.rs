//! `blockcast completions SHELL`

use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::output;

pub(crate) fn run(args: &Completions) -> anyhow::Result<bool> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "blockcast", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(true)
}
