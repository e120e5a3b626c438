//! What people read: pure functions from data to text, each tested against a fixed text.
//!
//! Whatever came over the network (a peer's user agent, a node's refusal) goes through [`text::clean`] on its way here:
//! none of it can move the cursor, change colours or fake a line.

pub(crate) mod availability;
pub(crate) mod block;
pub(crate) mod blocks;
mod csv;
pub(crate) mod delivery;
pub(crate) mod demo;
pub(crate) mod explanation;
mod fate;
pub(crate) mod finding;
pub(crate) mod history;
pub(crate) mod peer;
pub(crate) mod peers;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;

use std::env;
use std::io::{IsTerminal, stderr, stdout};

/// Whether there are colours.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    pub(crate) colour: bool,
}

/// How good or bad a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Good,
    Doubtful,
    Bad,
}

impl Style {
    /// For standard output: colours on a terminal, unless `NO_COLOR` (no-color.org) or a dumb terminal forbid them.
    pub(crate) fn of_stdout() -> Self {
        Self { colour: stdout().is_terminal() && allowed() }
    }

    /// The same for standard error.
    pub(crate) fn of_stderr() -> Self {
        Self { colour: stderr().is_terminal() && allowed() }
    }

    /// The text in the tone's colour.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colour => return text.into(),
            Tone::Plain => return text.into(),
            Tone::Good => "32",
            Tone::Doubtful => "33",
            Tone::Bad => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A heading.
    pub(crate) fn heading(self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.into() }
    }
}

fn allowed() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}
