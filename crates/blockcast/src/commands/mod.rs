//! The commands, one module each.

mod block;
mod blocks;
mod check_config;
mod completions;
mod decode;
pub(crate) mod demo;
mod peers;
mod replay;
mod run;
mod status;
mod submit;

use crate::cli::Command;

/// Carries out a command. `false` means that it failed and has said why.
///
/// # Errors
/// What kept it from being carried out, to be shown to the caller; [`config::Problems`] have an exit status of their own.
pub(crate) fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Submit(args) => submit::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Blocks(args) => blocks::run(&args),
        Command::Block(args) => block::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Peers(args) => peers::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}
