//! `wan`: how fast one block reaches peers far away, against a bare socket on the same line.
//!
//! Senders and receivers live in network namespaces of their own, joined by an emulated path of 80 ms and one gigabit,
//! once without loss and once with one packet in a hundred lost. The engine and the bare sender have their own
//! connections over the same path, with the same congestion control, and take turns in random order. Before each block a
//! connection has been idle for fifteen seconds, as it is between blocks: that is when a kernel forgets how much the line
//! takes.
//!
//! There are several [crowds](Crowd) of connections, so that while one is used the others are idle.

mod bare;
pub(crate) mod emulator;
pub(crate) mod link;
pub(crate) mod namespaces;

mod tun;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use chain::Chain;
use rand::seq::SliceRandom;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    task::block_in_place,
    time::{Instant, sleep_until},
};
use wire::{Command, FrameHeader};

use self::{
    bare::Bare,
    emulator::Path,
    link::{Account, Link},
};
use crate::{
    Scope,
    blocks::Blocks,
    clock,
    fanout::Engine,
    figure::{Figure, Series, rounded},
    part::{self, Part},
    receivers::{Arrived, Manner, Receivers},
    rules,
};

const PEERS: usize = 20;
const SIZES: [(usize, &str); 2] = [(100_000, "100KB"), (1_000_000, "1MB")];
const LOSSES: [(f64, &str); 2] = [(0.0, "no_loss"), (0.01, "1%_loss")];

/// What the engine's time may be, as a multiple of the bare sender's.
const GOAL: f64 = 1.2;

const PATH: Path = Path {
    delay: Duration::from_millis(40),
    bandwidth: 1_000_000_000,
    // As long as a round trip: what routers are usually given.
    buffer: Duration::from_millis(80),
    loss: 0.0,
};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// How long a connection is idle before each block, at least.
    idle: Duration,
    /// Crowds per size on each path. A connection's guess of what the line takes is partly luck and stays with it from
    /// block to block, and where packets are lost chance decides anew each time: it takes many until they do not matter.
    crowds: [usize; LOSSES.len()],
    /// Blocks to each crowd; the first ones do not count, for no connection is new when a block is found.
    turns: usize,
    warm_up: usize,
    /// Up to which size of block that is enough for a goal.
    gated: usize,
}

impl Extent {
    fn of(scope: Scope) -> Self {
        match scope {
            Scope::Full => Self {
                idle: Duration::from_secs(15),
                crowds: [8, 12],
                turns: 6,
                warm_up: 2,
                gated: usize::MAX,
            },
            Scope::Short => {
                Self { idle: Duration::from_secs(2), crowds: [2, 0], turns: 5, warm_up: 2, gated: 100_000 }
            }
        }
    }

    /// How many file descriptors a process may need: the receivers have a port for each of the engine's peers, and a
    /// connection for each of either contestant's.
    fn descriptors(&self) -> u64 {
        let crowds = self.crowds.iter().sum::<usize>() * SIZES.len();
        (3 * PEERS * crowds + 200) as u64
    }
}

/// Measures in namespaces of our own, or says why that is not possible here.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    match namespaces::runner() {
        Ok(runner) => part::measure(Part::Wan.command_behind(runner)?, scope),
        Err(why) => {
            let row = Figure::skipped("wan", "ratio", why);
            row.print()?;
            Ok(vec![row])
        }
    }
}

/// The receivers, in a namespace of their own next to this process's.
pub(crate) fn far_receivers() -> anyhow::Result<Receivers> {
    Receivers::run(Part::Receivers.command_behind(&["unshare", "--net", "--"])?)
}

/// Measures all rows; this process is in a namespace of its own.
pub(crate) fn measure(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    part::end_with_parent();
    let extent = Extent::of(scope);
    let rows = match part::allow_descriptors(extent.descriptors()) {
        Ok(()) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(async { Table::measure(extent).await?.rows() })?
        }
        Err(why) => vec![Figure::skipped("wan", "ratio", why)],
    };
    rows.iter().try_for_each(Figure::print)?;
    Ok(rows)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contestant {
    Engine,
    Bare,
}

/// Milliseconds over all rounds.
#[derive(Debug, Default)]
struct Times {
    median: Vec<f64>,
    last: Vec<f64>,
    /// The last peer's, from the caller's bytes; the engine's only.
    last_from_callers_bytes: Vec<f64>,
}

impl Times {
    fn note(&mut self, start: u64, received: Option<u64>, arrived: &Arrived) {
        let after = |start: u64| {
            let after = arrived.last.iter().map(|at| at.saturating_sub(start) as f64 / 1e6);
            Series::new(after.collect())
        };
        self.median.push(after(start).median());
        self.last.push(after(start).last());
        self.last_from_callers_bytes.extend(received.map(|received| after(received).last()));
    }

    fn json(&self) -> serde_json::Value {
        let (median, last) = (Series::new(self.median.clone()), Series::new(self.last.clone()));
        json!({
            "median_ms": rounded(median.median()),
            "last_ms": rounded(last.median()),
            "last_p25_ms": rounded(last.quantile(0.25)),
            "last_p75_ms": rounded(last.quantile(0.75)),
            "last_worst_ms": rounded(last.last()),
        })
    }
}

/// Connections of both contestants that get blocks of one size over one path.
struct Crowd {
    path: usize,
    size: usize,
    /// A chain of its own: an engine sends only what follows on what it knows.
    blocks: Blocks,
    engine: (Engine, SocketAddr, Instant),
    bare: (Bare, SocketAddr, Instant),
}

struct Row {
    path: usize,
    size: usize,
    engine: Times,
    bare: Times,
}

struct Table {
    extent: Extent,
    congestion_control: String,
    rows: Vec<Row>,
    account: Account,
}

impl Table {
    async fn measure(extent: Extent) -> anyhow::Result<Self> {
        let mut receivers = far_receivers()?;
        let mut listen = |path, peers| -> anyhow::Result<_> {
            let ports = receivers.listen_at(Ipv4Addr::UNSPECIFIED.into(), peers, Manner::PROMPT)?;
            Ok(Link::far(path, &ports))
        };
        let probe = listen(0, 1)?[0];
        let kinds: Vec<_> = (0..LOSSES.len()).flat_map(|path| SIZES.map(|(size, _)| (path, size))).collect();
        let mut places = Vec::new();
        for &(path, size) in &kinds {
            for _ in 0..extent.crowds[path] {
                places.push((path, size, listen(path, PEERS)?, listen(path, 1)?[0]));
            }
        }
        let mut link = Link::start(&receivers, &LOSSES.map(|(loss, _)| Path { loss, ..PATH }))?;
        let congestion_control = net::socket::tune(&tokio::net::TcpStream::connect(probe).await?);
        let mut crowds = Vec::new();
        for (path, size, engine_at, bare_at) in places {
            let engine = Engine::connect(&engine_at).await?;
            let bare = Bare::connect(bare_at, PEERS, &congestion_control).await?;
            // Of a connection whose last greeting was lost, the far end learns later.
            block_in_place(|| receivers.connected(bare_at, PEERS))?;
            let now = Instant::now();
            crowds.push(Crowd {
                path,
                size,
                blocks: Blocks::new(),
                engine: (engine, engine_at[0], now),
                bare: (bare, bare_at, now),
            });
        }
        let row = |&(path, size)| Row { path, size, engine: Times::default(), bare: Times::default() };
        let mut rows: Vec<_> = kinds.iter().map(row).collect();
        let directory = TempDir::new()?;
        for turn in 0..extent.turns {
            crowds.shuffle(&mut rand::rng());
            for crowd in &mut crowds {
                let block = crowd.blocks.next(crowd.size);
                let file = directory.path().join("block");
                fs::write(&file, &block.bytes)?;
                let mut contestants = [Contestant::Engine, Contestant::Bare];
                contestants.shuffle(&mut rand::rng());
                for contestant in contestants {
                    let counts = turn >= extent.warm_up;
                    let idle = if counts { extent.idle } else { Duration::ZERO };
                    let row = rows.iter_mut().find(|row| row.path == crowd.path && row.size == crowd.size);
                    let times = row.map(|row| match contestant {
                        Contestant::Engine => &mut row.engine,
                        Contestant::Bare => &mut row.bare,
                    });
                    let (start, received, arrived) =
                        crowd.send(contestant, &block, &file, idle, &mut receivers).await?;
                    if let Some(times) = times.filter(|_| counts) {
                        times.note(start, received, &arrived);
                    }
                }
            }
        }
        let account = link.account()?;
        for crowd in &crowds {
            crowd.engine.0.relay.shut_down(Duration::ZERO).await;
        }
        Ok(Self { extent, congestion_control, rows, account })
    }

    fn rows(&self) -> anyhow::Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for row in self.rows.iter().filter(|row| self.extent.crowds[row.path] > 0) {
            let (loss, loss_name) = LOSSES[row.path];
            let size = SIZES.iter().find(|(size, _)| *size == row.size).map_or("", |(_, name)| *name);
            let median = |values: &[f64]| Series::new(values.to_vec()).median();
            let wire = (row.size * PEERS * 8) as f64 / PATH.bandwidth as f64 * 1e3;
            let detail = json!({
                "peers": PEERS,
                "round_trip_ms": 2 * PATH.delay.as_millis(),
                "gigabit_per_s": PATH.bandwidth as f64 / 1e9,
                "loss_each_way": loss,
                "idle_at_least_s": self.extent.idle.as_secs(),
                "congestion_control": self.congestion_control,
                "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
                "crowds": self.extent.crowds[row.path],
                "rounds": row.engine.last.len(),
                "engine": row.engine.json(),
                "engine_last_from_callers_bytes_ms": rounded(median(&row.engine.last_from_callers_bytes)),
                "bare": row.bare.json(),
                "limit_of_the_line_ms": rounded(wire + PATH.delay.as_secs_f64() * 1e3),
                "packets_to_peers": self.account[row.path][0],
                "packets_back": self.account[row.path][1],
            });
            let figure = |name, value, detail| match row.size <= self.extent.gated {
                true => Figure::at_most(name, value, "ratio", GOAL, detail),
                false => Figure::told(name, value, "ratio", detail),
            };
            let name = |what: &str| format!("wan/{size}/{loss_name}/{what}");
            let last = median(&row.engine.last) / median(&row.bare.last);
            figures.push(figure(name("last_peer_vs_bare"), last, detail));
            let both = json!({
                "engine_ms": rounded(median(&row.engine.median)),
                "bare_ms": rounded(median(&row.bare.median)),
            });
            let middle = median(&row.engine.median) / median(&row.bare.median);
            figures.push(figure(name("median_peer_vs_bare"), middle, both));
        }
        Ok(figures)
    }
}

impl Crowd {
    /// Sends a block once the contestant's connections have been idle for long enough; says when that began, for the
    /// engine also when it was handed the bytes.
    async fn send(
        &mut self,
        contestant: Contestant,
        block: &simnet::Minted,
        file: &std::path::Path,
        idle: Duration,
        receivers: &mut Receivers,
    ) -> anyhow::Result<(u64, Option<u64>, Arrived)> {
        match contestant {
            Contestant::Engine => {
                let (engine, at, since) = &mut self.engine;
                sleep_until(*since + idle).await;
                receivers.expect(*at, PEERS, file)?;
                let delivery = engine.submit(block.bytes.clone());
                // Other threads do the work; this one waits where it costs nothing.
                let arrived = block_in_place(|| receivers.arrived())?;
                let begun = engine.proven(&delivery, PEERS).await?;
                *since = Instant::now();
                Ok((begun.canonical, Some(begun.received), arrived))
            }
            Contestant::Bare => {
                let (bare, at, since) = &mut self.bare;
                sleep_until(*since + idle).await;
                receivers.expect(*at, PEERS, file)?;
                let header = FrameHeader::of(rules().params().magic, Command::BLOCK, &block.bytes).to_wire();
                let start = clock::now();
                block_in_place(|| bare.send(&header, &block.bytes))?;
                let arrived = block_in_place(|| receivers.arrived())?;
                *since = Instant::now();
                Ok((start, None, arrived))
            }
        }
    }
}
