//! Every figure that the README claims, measured: see `./tests/figures --help`.
//!
//! A figure is a number with a goal. Wherever time is measured, it is held against a floor of the same run on the same
//! machine, for machines differ and a ratio does not.
//!
//! `fanout` is about the time that it takes to serve many peers nearby, `wan` about peers far away; `idle_peers` is about
//! memory, `stalls` about peers that misbehave, `burst` about many blocks in a row. All of them send to the `receivers`,
//! which are another process; what else needs one is a `part`. `x11` sends nothing: it is about hashing. `submit` is about the
//! nodes, and about the inspection of what they get. `peers` simulates: it is about the choice of peers. `crash` runs the
//! program itself, and kills it.

mod blocks;
mod burst;
mod clock;
mod crash;
mod fanout;
mod figure;
mod idle_peers;
mod ledger;
mod memory;
mod part;
mod peers;
mod receivers;
mod stalls;
mod submit;
mod wan;
mod x11;

use std::process::ExitCode;

use chain::Network;
use clap::{Parser, ValueEnum};
use litecoin::Litecoin;

use crate::{figure::Figure, part::Part};

/// Measures what the README claims. Prints one JSON object a line, and ends with status 1 if a goal is missed.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which figure; all of them if none is named
    name: Option<Name>,
    /// Fewer rows and rounds, for continuous integration; times are shown, and do not count for the exit status
    #[arg(long)]
    short: bool,
    /// Set by the program itself for the processes that it starts
    #[arg(long, hide = true, conflicts_with = "name")]
    part: Option<Part>,
}

/// The figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// How fast one block reaches every peer, against bare senders
    Fanout,
    /// What a connected peer that says nothing costs in memory
    IdlePeers,
    /// How fast one block reaches peers far away, against a bare socket
    Wan,
    /// Whether peers that stop reading, or cut the line, cost the others time
    Stalls,
    /// Whether a hundred blocks in ten seconds all arrive
    Burst,
    /// How fast a found block is on its way to all nodes, and how fast it is judged
    Submit,
    /// Whether a crash loses an acknowledged block, or makes a lie of a verdict
    Crash,
    /// What it costs a block that it is written down, and how fast that is read again
    Ledger,
    /// How many Dash headers are hashed in a second
    X11,
    /// Whether the peer book finds peers, learns whom to keep, is taken over by nobody, and costs nothing when idle
    Peers,
}

/// How much to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Full,
    Short,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("figures: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether every goal was reached.
fn measure(arguments: &Arguments) -> anyhow::Result<bool> {
    let scope = if arguments.short { Scope::Short } else { Scope::Full };
    let figures = match (arguments.part, arguments.name) {
        (Some(part), _) => play(part, scope)?,
        (None, Some(name)) => run(name, scope)?,
        (None, None) => {
            let mut figures = Vec::new();
            for name in Name::value_variants() {
                figures.extend(run(*name, scope)?);
            }
            figures
        }
    };
    Ok(reached(&figures, scope))
}

/// Whether every goal was reached that counts.
fn reached(figures: &[Figure], scope: Scope) -> bool {
    // A machine that builds and tests beside is no place to hold times against each other: the short form shows them.
    let counts = |figure: &&Figure| scope == Scope::Full || !figure.is_of_time();
    figures.iter().filter(counts).all(|figure| figure.holds)
}

fn run(name: Name, scope: Scope) -> anyhow::Result<Vec<Figure>> {
    match name {
        Name::Fanout => fanout::run(scope),
        Name::IdlePeers => idle_peers::run(scope),
        Name::Wan => wan::run(scope),
        Name::Stalls => stalls::run(scope),
        Name::Burst => burst::run(scope),
        Name::Submit => submit::run(scope),
        Name::Crash => crash::run(scope),
        Name::Ledger => ledger::run(scope),
        Name::X11 => x11::run(scope),
        Name::Peers => peers::run(scope),
    }
}

fn play(part: Part, scope: Scope) -> anyhow::Result<Vec<Figure>> {
    match part {
        Part::Receivers => receivers::run().map(|()| Vec::new()),
        Part::Link => wan::link::run().map(|()| Vec::new()),
        Part::IdlePeers => idle_peers::measure(scope),
        Part::IdleBook => peers::measure_idle(scope),
        Part::Wan => wan::measure(scope),
        Part::Nodes => submit::receive().map(|()| Vec::new()),
        Part::Burst => burst::measure_far(),
    }
}

/// The chain that everything is measured on: its blocks are mined in a moment.
fn rules() -> Litecoin {
    Litecoin::new(Network::Regtest)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn in_the_short_form_times_do_not_count_and_everything_else_does() {
        let figure = |value, unit| Figure::at_most("x", value, unit, 1.0, Value::Null);
        let (slow, lost) = (figure(2.0, "ratio"), figure(2.0, "deliveries"));
        assert!(reached(std::slice::from_ref(&slow), Scope::Short));
        assert!(!reached(&[slow], Scope::Full));
        assert!(!reached(&[lost], Scope::Short));
    }
}
