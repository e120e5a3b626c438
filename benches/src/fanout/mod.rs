//! `fanout`: how fast one block reaches every peer, against the fastest that a single thread can do here.
//!
//! Every round all contestants send the same block over warm loopback connections with the same socket options, in
//! random order; their times are held against the floor's of that very run. What limits all of them is that the kernel
//! copies every byte twice on this machine.

mod engine;
mod floor;

use std::fs;

use chain::Chain;
use rand::seq::SliceRandom;
use serde_json::json;
use tempfile::TempDir;
use wire::{Command, FrameHeader};

pub(crate) use self::engine::{Engine, settings};
use self::floor::Crowd;
use crate::{
    Scope,
    blocks::Blocks,
    clock,
    figure::{Figure, Series, rounded},
    receivers::{Arrived, Receivers},
    rules,
};

/// How many peers, and blocks of how many bytes.
const PEERS: [usize; 4] = [8, 20, 64, 125];
const SIZES: [(usize, &str); 3] = [(20_000, "20KB"), (100_000, "100KB"), (1_000_000, "1MB")];

/// Rounds whose times count, and rounds before them.
const ROUNDS: usize = 50;
const WARM_UP: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Contestant {
    Engine,
    Floor,
    RoundRobin,
    PackedPerPeer,
    Copy,
}

impl Contestant {
    const ALL: [Self; 5] = [Self::Engine, Self::Floor, Self::RoundRobin, Self::PackedPerPeer, Self::Copy];

    fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Floor => "floor",
            Self::RoundRobin => "round_robin",
            Self::PackedPerPeer => "packed_per_peer",
            Self::Copy => "memcpy",
        }
    }
}

/// One contestant's times over all rounds, in microseconds.
#[derive(Debug, Default)]
struct Times {
    first: Vec<f64>,
    median: Vec<f64>,
    p95: Vec<f64>,
    last: Vec<f64>,
    cpu: Vec<f64>,
}

impl Times {
    /// Notes how long after `start` each peer had its last byte.
    fn note(&mut self, start: u64, arrived: &Arrived, cpu: u64) {
        let after = |at: &u64| at.saturating_sub(start) as f64 / 1000.0;
        let series = Series::new(arrived.last.iter().map(after).collect());
        self.first.push(series.first());
        self.median.push(series.median());
        self.p95.push(series.quantile(0.95));
        self.last.push(series.last());
        self.cpu.push(cpu as f64 / 1000.0);
    }

    fn medians(&self) -> Medians {
        let median = |values: &[f64]| Series::new(values.to_vec()).median();
        Medians {
            first: median(&self.first),
            median: median(&self.median),
            p95: median(&self.p95),
            last: median(&self.last),
            cpu: median(&self.cpu),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Medians {
    first: f64,
    median: f64,
    p95: f64,
    last: f64,
    cpu: f64,
}

impl Medians {
    fn json(self) -> serde_json::Value {
        json!({
            "first_us": rounded(self.first),
            "median_us": rounded(self.median),
            "p95_us": rounded(self.p95),
            "last_us": rounded(self.last),
            "sender_cpu_us": rounded(self.cpu),
        })
    }
}

/// Measures all rows.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut figures = Vec::new();
    let (peers, rounds) = match scope {
        Scope::Full => (&PEERS[..], ROUNDS),
        Scope::Short => (&PEERS[1..2], ROUNDS),
    };
    for &peers in peers {
        for (size, label) in SIZES {
            let table = runtime.block_on(Table::measure(peers, size, rounds))?;
            let rows = table.rows(peers, label);
            rows.iter().try_for_each(Figure::print)?;
            figures.extend(rows);
        }
    }
    Ok(figures)
}

struct Table {
    times: Vec<(Contestant, Times)>,
    /// The engine's, counted from the caller's bytes.
    whole: Times,
    congestion_control: String,
}

impl Table {
    async fn measure(peers: usize, size: usize, rounds: usize) -> anyhow::Result<Self> {
        let mut receivers = Receivers::start()?;
        let directory = TempDir::new()?;
        let engine_at = receivers.listen_for(peers)?;
        let engine = Engine::connect(&engine_at).await?;
        let mut crowds = Vec::new();
        let mut congestion_control = String::new();
        for contestant in [Contestant::Floor, Contestant::RoundRobin, Contestant::PackedPerPeer] {
            let at = receivers.listen()?;
            let mut streams = Vec::new();
            for _ in 0..peers {
                let stream = tokio::net::TcpStream::connect(at).await?;
                congestion_control = net::socket::tune(&stream);
                streams.push(stream.into_std()?);
            }
            crowds.push((contestant, at, Crowd::new(streams)?));
        }
        let mut copies = vec![Vec::with_capacity(size); peers];
        let mut times: Vec<_> = Contestant::ALL.map(|contestant| (contestant, Times::default())).into();
        let mut whole = Times::default();
        let mut blocks = Blocks::new();
        let magic = rules().params().magic;
        for round in 0..WARM_UP + rounds {
            let block = blocks.next(size);
            let file = directory.path().join("block");
            fs::write(&file, &block.bytes)?;
            let header = FrameHeader::of(magic, Command::BLOCK, &block.bytes).to_wire();
            times.shuffle(&mut rand::rng());
            for (contestant, times) in &mut times {
                let mut whole_time = None;
                let (start, cpu, arrived) = match contestant {
                    Contestant::Copy => {
                        let (start, cpu) = (clock::now(), clock::cpu());
                        floor::copy(&mut copies, &block.bytes);
                        let end = clock::now();
                        let last = vec![end; peers];
                        (start, clock::cpu() - cpu, Arrived { last, ..Arrived::default() })
                    }
                    Contestant::Engine => {
                        receivers.expect(engine_at[0], peers, &file)?;
                        let cpu = clock::cpu();
                        let delivery = engine.submit(block.bytes.clone());
                        // Other threads do the work; this one waits where it costs nothing.
                        let arrived = tokio::task::block_in_place(|| receivers.arrived())?;
                        let cpu = clock::cpu() - cpu;
                        let begun = engine.proven(&delivery, peers).await?;
                        whole_time = Some(begun.received);
                        (begun.canonical, cpu, arrived)
                    }
                    bare => {
                        let Some((_, at, crowd)) = crowds.iter().find(|(name, ..)| name == bare) else {
                            continue;
                        };
                        receivers.expect(*at, peers, &file)?;
                        let (start, cpu) = (clock::now(), clock::cpu());
                        tokio::task::block_in_place(|| match bare {
                            Contestant::Floor => crowd.in_order(&header, &block.bytes),
                            Contestant::RoundRobin => crowd.round_robin(&header, &block.bytes),
                            _ => crowd.packed_per_peer(magic, &block.bytes),
                        })?;
                        let cpu = clock::cpu() - cpu;
                        let arrived = tokio::task::block_in_place(|| receivers.arrived())?;
                        (start, cpu, arrived)
                    }
                };
                if round >= WARM_UP {
                    times.note(start, &arrived, cpu);
                    if let Some(received) = whole_time {
                        whole.note(received, &arrived, cpu);
                    }
                }
            }
        }
        engine.relay.shut_down(std::time::Duration::ZERO).await;
        Ok(Self { times, whole, congestion_control })
    }

    fn rows(&self, peers: usize, size: &str) -> Vec<Figure> {
        let of = |wanted: Contestant| {
            let found = self.times.iter().find(|(contestant, _)| *contestant == wanted);
            found.map(|(_, times)| times.medians()).expect("every contestant has times")
        };
        let (engine, floor) = (of(Contestant::Engine), of(Contestant::Floor));
        let round_robin = of(Contestant::RoundRobin);
        let mut contestants = serde_json::Map::new();
        for contestant in Contestant::ALL {
            contestants.insert(contestant.name().into(), of(contestant).json());
        }
        let detail = json!({
            "peers": peers,
            "block": size,
            "congestion_control": self.congestion_control,
            "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
            "rounds": self.whole.last.len(),
            "contestants": contestants,
        });
        let name = |row: &str| format!("fanout/{peers}x{size}/{row}");
        let ratio = engine.last / floor.last;
        let mut rows = Vec::new();
        if peers >= 20 {
            rows.push(Figure::at_most(name("last_peer_vs_floor"), ratio, "ratio", 1.3, detail));
        } else {
            rows.push(Figure::told(name("last_peer_vs_floor"), ratio, "ratio", detail));
        }
        let against =
            json!({ "engine_us": rounded(engine.median), "round_robin_us": rounded(round_robin.median) });
        let ratio = engine.median / round_robin.median;
        if size == "1MB" {
            rows.push(Figure::at_most(name("median_peer_vs_round_robin"), ratio, "ratio", 1.0, against));
        } else {
            rows.push(Figure::told(name("median_peer_vs_round_robin"), ratio, "ratio", against));
        }
        let whole = self.whole.medians();
        let detail = whole.json();
        rows.push(Figure::told(name("last_peer_from_callers_bytes"), whole.last, "us", detail));
        rows
    }
}
