//! `x11`: how fast Dash's proof of work, which is also the name of its blocks, is computed on one core.
//!
//! Whatever a Dash node announces has to be hashed before anything can be said of it, so a relay that hashes slowly is
//! one that headers can flood. Nothing of it could be done before: it is a number of its own, and not a ratio. How it
//! stands to SHA-256d of the same header in the same run is told beside it, for machines differ.
//!
//! A second is one of processor time: what else the machine does meanwhile takes turns with this, and is not this.
//!
//! A fast wrong hash is of no use: the header chain that a dashd has sent is hung together by its hashes first.

use std::{hint::black_box, time::Instant};

use anyhow::Context;
use chain::{Chain, Network};
use dash::{Dash, x11};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use wire::{Command, HEADER_LEN, Header, Message};

use crate::{
    Scope, clock,
    figure::{Figure, Series, rounded},
};

/// Hashes in a second of one core's time.
const GOAL: f64 = 40_000.0;

/// Hashes of a kind in a round: some tens of milliseconds of the slow kind, and enough of the quick one for the clock.
const X11_BATCH: u32 = 2_000;
const SHA256D_BATCH: u32 = 20_000;

/// Rounds whose times count, and rounds before them.
const ROUNDS: usize = 41;
const WARM_UP: usize = 3;

/// A conversation in which a dashd sent its chain of headers.
const RECORDING: &str = include_str!("../../tests/fixtures/dash/handshake_inbound_plain.json");

/// How fast one kind of hash was, round by round, in hashes a second.
#[derive(Debug, Default)]
struct Rates {
    /// By the processor time that this process was given; it has one thread.
    cpu: Vec<f64>,
    /// By the clock on the wall.
    wall: Vec<f64>,
}

impl Rates {
    /// Hashes headers that differ by their nonce, as miners' do.
    fn note(&mut self, count: u32, hash: fn(&[u8; 80]) -> [u8; 32]) {
        let mut header = [0x5a; 80];
        let (start, cpu) = (Instant::now(), clock::cpu());
        for nonce in 0..count {
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            black_box(hash(black_box(&header)));
        }
        self.cpu.push(f64::from(count) * 1e9 / (clock::cpu() - cpu) as f64);
        self.wall.push(f64::from(count) / start.elapsed().as_secs_f64());
    }
}

#[derive(Clone, Copy)]
enum Kind {
    X11,
    Sha256d,
}

/// Measures both rows.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let rounds = match scope {
        Scope::Full => ROUNDS,
        Scope::Short => 5,
    };
    let figures = [vec![wrong_names()?], speed(rounds)].concat();
    figures.iter().try_for_each(Figure::print)?;
    Ok(figures)
}

fn speed(rounds: usize) -> Vec<Figure> {
    let (mut x11, mut sha256d) = (Rates::default(), Rates::default());
    let mut kinds = [Kind::X11, Kind::Sha256d];
    for round in 0..WARM_UP + rounds {
        if round == WARM_UP {
            (x11, sha256d) = (Rates::default(), Rates::default());
        }
        kinds.shuffle(&mut rand::rng());
        for kind in kinds {
            match kind {
                Kind::X11 => x11.note(X11_BATCH, x11::hash),
                Kind::Sha256d => sha256d.note(SHA256D_BATCH, |header| wire::sha256d(header)),
            }
        }
    }
    // What one costs in the other, round by round.
    let ratios = x11.cpu.iter().zip(&sha256d.cpu).map(|(x11, sha256d)| sha256d / x11).collect();
    let (cpu, wall) = (Series::new(x11.cpu), Series::new(x11.wall));
    let detail = json!({
        "rounds": rounds,
        "hashes_a_round": X11_BATCH,
        "least": rounded(cpu.first()),
        "most": rounded(cpu.last()),
        "us_a_hash": rounded(1e6 / cpu.median()),
        "by_the_wall_clock": rounded(wall.median()),
        "threads": 1,
        "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
    });
    let floor =
        json!({ "sha256d_per_second": rounded(Series::new(sha256d.cpu).median()), "header_bytes": 80 });
    vec![
        Figure::at_least("x11/hashes_per_second", cpu.median(), "hashes/s", GOAL, detail),
        Figure::told("x11/cost_against_sha256d", Series::new(ratios).median(), "ratio", floor),
    ]
}

/// Headers of the recorded chain whose name is not the one that the next header calls its parent by.
fn wrong_names() -> anyhow::Result<Figure> {
    let dash = Dash::new(Network::Regtest);
    let mut headers = Vec::new();
    let recording: Value = serde_json::from_str(RECORDING)?;
    for message in recording["messages"].as_array().context("a recording without messages")? {
        if message["cmd"] == "headers" {
            headers.extend(decoded(&dash, message["raw_hex"].as_str().context("no bytes")?)?);
        }
    }
    let names: Vec<_> = headers.iter().map(|header| dash.block_hash(header)).collect();
    let parents = headers.iter().skip(1).map(Header::parent);
    let wrong = names.iter().zip(parents).filter(|(name, parent)| **name != *parent).count();
    let detail = json!({ "headers": headers.len(), "recorded_from": recording["daemon"] });
    anyhow::ensure!(headers.len() >= 500, "the recording holds {} headers", headers.len());
    Ok(Figure::at_most("x11/wrong_names", wrong as f64, "headers", 0.0, detail))
}

fn decoded(dash: &Dash, hex: &str) -> anyhow::Result<Vec<Header>> {
    let mut raw = vec![0; hex.len() / 2];
    faster_hex::hex_decode(hex.as_bytes(), &mut raw)?;
    let payload = raw.split_off(HEADER_LEN);
    match Message::decode(Command::HEADERS, payload.into(), dash.dialect())? {
        Message::Headers(headers) => Ok(headers),
        other => anyhow::bail!("{} instead of headers", other.command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_chain_hangs_together() {
        let figure = wrong_names().unwrap();
        assert!(figure.holds && figure.value == Some(0.0), "{figure:?}");
    }
}
