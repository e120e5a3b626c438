//! Parts of a measurement that need a process of their own: this very program, told which part to play.
//!
//! A process that a measurement has started does not outlive it, however it ends: each holds the other end of the child's
//! standard input, and every part ends when that does.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    process::{self, Command, Stdio},
    thread,
};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{Scope, figure::Figure, reached};

/// A part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The far ends of connections.
    Receivers,
    /// The nodes to which blocks are submitted.
    Nodes,
    /// The emulated path between two network namespaces.
    Link,
    /// The engine whose memory is looked at.
    IdlePeers,
    /// The engine that has nothing to do.
    IdleBook,
    /// The senders at the near end of an emulated path.
    Wan,
    /// The same, for a burst of blocks.
    Burst,
}

impl Part {
    /// The command that plays it.
    ///
    /// # Errors
    /// When the system does not say where this program is.
    pub(crate) fn command(self) -> io::Result<Command> {
        self.command_behind(&[])
    }

    /// The same, run by another program, which is given first: `unshare --net --`, for instance.
    ///
    /// # Errors
    /// When the system does not say where this program is.
    pub(crate) fn command_behind(self, runner: &[&str]) -> io::Result<Command> {
        let this = env::current_exe()?;
        let mut command = match runner {
            [] => Command::new(this),
            [runner, arguments @ ..] => {
                let mut command = Command::new(runner);
                command.args(arguments).arg(this);
                command
            }
        };
        let value = self.to_possible_value();
        command.arg("--part").args(value.iter().map(|value| value.get_name()));
        Ok(command)
    }
}

/// Runs a part that measures, and passes its rows on as they come.
///
/// # Errors
/// When it fails; what it had to say about that it has said on standard error.
pub(crate) fn measure(mut command: Command, scope: Scope) -> anyhow::Result<Vec<Figure>> {
    if scope == Scope::Short {
        command.arg("--short");
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start a part")?;
    let lines = BufReader::new(child.stdout.take().context("a part without standard output")?).lines();
    let mut rows = Vec::new();
    for line in lines {
        let line = line?;
        let row: Figure = serde_json::from_str(&line).with_context(|| format!("a part said {line}"))?;
        row.print()?;
        rows.push(row);
    }
    let status = child.wait()?;
    // Its status also tells whether every goal was reached; that the rows say themselves.
    let expected = if reached(&rows, scope) { 0 } else { 1 };
    ensure!(
        status.code() == Some(expected) && !rows.is_empty(),
        "a part of the measurement failed: {status}"
    );
    Ok(rows)
}

/// Ends this process when the one that has started it ends.
pub(crate) fn end_with_parent() {
    thread::spawn(|| {
        // Nothing comes but the end.
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        process::exit(1);
    });
}

/// Allows this process, and those that it starts, so many file descriptors.
///
/// # Errors
/// Why not, in words for whoever reads the figures.
pub(crate) fn allow_descriptors(needed: u64) -> Result<(), String> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = maximum.filter(|maximum| *maximum < needed) {
        return Err(format!("{needed} file descriptors are needed, {maximum} allowed (RLIMIT_NOFILE)"));
    }
    let wanted = Rlimit { current: Some(needed), maximum };
    setrlimit(Resource::Nofile, wanted).map_err(|error| format!("RLIMIT_NOFILE: {error}"))
}
