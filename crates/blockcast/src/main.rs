//! The daemon and its command line.
//!
//! `cli` says what can be asked for, `commands` does it, one module each. What people read is laid out by `view`, which
//! is pure and tested against fixed texts; what the daemon is asked over HTTP goes through `client`.
//!
//! # Exit status
//!
//! 0 done · 1 failed · 2 not a valid command line · 78 bad configuration (`EX_CONFIG` of sysexits.h: a supervisor can be
//! told not to start the program again until somebody has mended it).

mod base_url;
mod cli;
mod client;
mod commands;
mod input;
mod logging;
mod output;
mod settings;
mod view;

use std::process::ExitCode;

use clap::Parser;

/// Exit status of a bad configuration.
const BAD_CONFIGURATION: u8 = 78;

fn main() -> ExitCode {
    // A command line that is none ends here, with status 2.
    let cli = cli::Cli::parse();
    match commands::run(cli.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<config::Problems>() {
            Some(problems) => {
                eprintln!("{problems}");
                ExitCode::from(BAD_CONFIGURATION)
            }
            None => {
                eprintln!("blockcast: {}", view::text::clean_lines(&format!("{error:#}")));
                ExitCode::FAILURE
            }
        },
    }
}
