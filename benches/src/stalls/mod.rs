//! `stalls`: whether peers that stop reading, or cut the line, cost the others time or are called successful.
//!
//! Two engines of the same kind, each with 39 healthy peers. One of them gets eleven more: ten that are deaf (they never
//! read again after the handshake; their kernel takes some 64 KB, and that is all) and one that hangs up when it has half
//! of the block. They stand between the healthy ones in the order of scores, so that each is served before most of them.
//! Every round both engines send the same block of 1 MB, in random order, and the healthy peers' times are held against
//! each other. Which of the two gets the ailing ones changes from round to round, so that it does not matter if one
//! engine's connections have got a better start in life. What the ailing take into their kernels is bandwidth that the
//! others lack, and part of the result.
//!
//! The ailing are new in every round, because only a new one is taken for healthy. Were one left alone, the engine would
//! drop it after five seconds without progress: the last part of this figure leaves them alone, sends several blocks into
//! the standstill, and looks at how long the deaf are kept and what that costs in memory.

mod crew;

use std::{fs, time::Duration};

use anyhow::ensure;
use bytes::Bytes;
use rand::seq::SliceRandom;
use relay::Delivery;
use serde_json::json;
use simnet::Minted;
use tempfile::TempDir;
use tokio::{task::block_in_place, time::Instant};

use self::crew::{Ailing, Crew};
use crate::{
    Scope,
    blocks::Blocks,
    figure::{Figure, Series, rounded},
    memory,
    receivers::{Arrived, Receivers},
};

/// Of fifty peers 20% are deaf and one is cutting.
const HEALTHY: usize = 39;
const DEAF: usize = 10;
const CUTTING: usize = 1;

const SIZE: usize = 1_000_000;

/// Rounds whose times do not count.
const WARM_UP: usize = 4;

/// What the healthy peers' 95th percentile may be, as a multiple of what it is without the others.
const GOAL: f64 = 1.1;

/// How many blocks are sent into the standstill.
const INTO_STANDSTILL: usize = 8;

/// How many copies of such a block the engine may hold.
const COPIES: f64 = 2.0;

/// When a deaf peer is to be gone, in seconds: five without progress, counted from the last bytes that its kernel took,
/// and what it takes to notice.
const DROPPED_WITHIN: f64 = 7.0;

/// How long anything may take that should take much less.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures all rows.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let rounds = match scope {
        Scope::Full => 60,
        Scope::Short => 20,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        let mut scene = Scene::start().await?;
        for round in 0..WARM_UP + rounds {
            scene.round(round).await?;
        }
        let standstill = scene.standstill().await?;
        anyhow::Ok(scene.rows(&standstill))
    })?;
    rows.iter().try_for_each(Figure::print)?;
    Ok(rows)
}

/// The healthy peers' times over all rounds, in milliseconds.
#[derive(Debug, Default)]
struct Times {
    median: Vec<f64>,
    p95: Vec<f64>,
}

impl Times {
    fn note(&mut self, start: u64, arrived: &Arrived) {
        let after = arrived.last.iter().map(|at| at.saturating_sub(start) as f64 / 1e6);
        let series = Series::new(after.collect());
        self.median.push(series.median());
        self.p95.push(series.quantile(0.95));
    }

    fn median_of(values: &[f64]) -> f64 {
        Series::new(values.to_vec()).median()
    }
}

struct Scene {
    receivers: Receivers,
    blocks: Blocks,
    directory: TempDir,
    congestion_control: String,
    crews: [Crew; 2],
    ailing: Ailing,
    /// With nobody but healthy peers.
    calm: Times,
    /// With the others among them.
    troubled: Times,
    /// Ailing peers that a report called successful.
    false_successes: usize,
    /// How often one was sent a block.
    chances: usize,
}

/// What came of blocks sent to peers that do not take them.
struct Standstill {
    /// By how much resident memory grew, in bytes.
    grown: f64,
    /// How long the deaf were kept after the first block, in seconds.
    dropped_after: Series,
    /// Why connections ended.
    reasons: Vec<&'static str>,
}

impl Scene {
    async fn start() -> anyhow::Result<Self> {
        let mut receivers = Receivers::start()?;
        let congestion_control = receivers.congestion_control().await?;
        let ailing = Ailing::listen(&mut receivers)?;
        let crews = [
            Crew::start(receivers.listen_for(HEALTHY)?).await?,
            Crew::start(receivers.listen_for(HEALTHY)?).await?,
        ];
        Ok(Self {
            receivers,
            blocks: Blocks::new(),
            directory: TempDir::new()?,
            congestion_control,
            crews,
            ailing,
            calm: Times::default(),
            troubled: Times::default(),
            false_successes: 0,
            chances: 0,
        })
    }

    async fn round(&mut self, number: usize) -> anyhow::Result<()> {
        let troubled = number % 2;
        self.crews[troubled].connect_ailing(&self.ailing).await?;
        let Minted { bytes: block, height, .. } = self.blocks.next(SIZE);
        let file = self.directory.path().join("block");
        fs::write(&file, &block)?;
        let mut order = [0, 1];
        order.shuffle(&mut rand::rng());
        let mut deliveries = Vec::new();
        for place in order {
            let crew = &self.crews[place];
            self.receivers.expect(crew.healthy_at[0], HEALTHY, &file)?;
            let delivery = crew.engine.submit(block.clone());
            // Other threads do the work; this one waits where it costs nothing.
            let arrived = block_in_place(|| self.receivers.arrived())?;
            let begun = crew.engine.proven(&delivery, HEALTHY).await?;
            let times = if place == troubled { &mut self.troubled } else { &mut self.calm };
            if number >= WARM_UP {
                times.note(begun.canonical, &arrived);
            }
            deliveries.push(delivery);
        }
        // Who connects next has this block already: it is not sent what is past.
        self.receivers.rise(height, &file)?;
        self.ailing.dismiss(&mut self.receivers)?;
        self.crews[troubled].all_ailing_gone().await?;
        deliveries.iter().try_for_each(|delivery| self.hold_to_account(delivery))
    }

    /// Looks at what a report claims, once the ailing are gone: nothing can change any more.
    fn hold_to_account(&mut self, delivery: &Delivery) -> anyhow::Result<()> {
        let report = delivery.report("litecoin");
        let (ailing, healthy): (Vec<_>, Vec<_>) =
            report.peers.iter().partition(|peer| self.ailing.are(&peer.peer));
        let accepted =
            |outcome: &Option<String>| matches!(outcome.as_deref(), Some("accepted" | "already_had"));
        ensure!(
            healthy.iter().filter(|peer| accepted(&peer.outcome)).count() == HEALTHY,
            "a healthy peer is not accepted: {healthy:?}"
        );
        self.chances += ailing.len();
        self.false_successes += ailing.iter().filter(|peer| accepted(&peer.outcome)).count();
        Ok(())
    }

    /// Sends several blocks to peers of whom some do not read, and leaves them alone until they are dropped.
    async fn standstill(&mut self) -> anyhow::Result<Standstill> {
        let [crew, _] = &mut self.crews;
        crew.connect_ailing(&self.ailing).await?;
        let sound: Vec<_> = (0..INTO_STANDSTILL).map(|_| self.blocks.next(SIZE).bytes).collect();
        let before = memory::resident()? as f64;
        let start = Instant::now();
        let mut deliveries = Vec::new();
        for block in &sound {
            // A copy of its own, as a front door that has read it from a socket hands it in.
            let delivery = crew.engine.submit(Bytes::copy_from_slice(block));
            crew.engine.proven(&delivery, HEALTHY).await?;
            deliveries.push(delivery);
        }
        let grown = memory::resident()? as f64 - before;
        let lanes_held = start.elapsed();
        ensure!(
            lanes_held < Duration::from_secs(5),
            "the blocks took {lanes_held:?}: the deaf may be gone already"
        );
        let (mut dropped_after, mut reasons) = (Vec::new(), Vec::new());
        for (at, reason) in crew.all_ailing_gone().await? {
            reasons.push(reason);
            if reason == "stuck" {
                dropped_after.push(at.saturating_duration_since(start).as_secs_f64());
            }
        }
        for delivery in &deliveries {
            self.hold_to_account(delivery)?;
        }
        ensure!(dropped_after.len() == DEAF, "the deaf were dropped for other reasons: {reasons:?}");
        reasons.sort_unstable();
        Ok(Standstill { grown, dropped_after: Series::new(dropped_after), reasons })
    }

    fn rows(&self, standstill: &Standstill) -> Vec<Figure> {
        let (calm, troubled) = (&self.calm, &self.troubled);
        let (with, without) = (Times::median_of(&troubled.p95), Times::median_of(&calm.p95));
        let times = |times: &Times| {
            json!({
                "healthy_p95_ms": rounded(Times::median_of(&times.p95)),
                "healthy_median_ms": rounded(Times::median_of(&times.median)),
            })
        };
        let sent = (INTO_STANDSTILL * SIZE) as f64;
        let megabytes = |bytes: f64| rounded(bytes / 1e6);
        vec![
            Figure::at_most(
                "stalls/healthy_p95_vs_without",
                with / without,
                "ratio",
                GOAL,
                json!({
                    "healthy": HEALTHY,
                    "deaf": DEAF,
                    "cutting": CUTTING,
                    "block_bytes": SIZE,
                    "ailing": "new connections each round, between the healthy in the order of scores",
                    "with": times(troubled),
                    "without": times(calm),
                    "congestion_control": self.congestion_control,
                    "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
                    "rounds": calm.p95.len(),
                }),
            ),
            Figure::at_most(
                "stalls/false_successes",
                self.false_successes as f64,
                "peers",
                0.0,
                json!({ "deliveries_to_deaf_or_cutting_peers": self.chances }),
            ),
            Figure::at_most(
                "stalls/deaf_dropped_after",
                standstill.dropped_after.last(),
                "s",
                DROPPED_WITHIN,
                json!({
                    "first_s": rounded(standstill.dropped_after.first()),
                    "reasons": standstill.reasons,
                    "counted_from": "the first block",
                }),
            ),
            Figure::at_most(
                "stalls/memory_in_standstill",
                standstill.grown / sent,
                "copies of a block",
                COPIES,
                json!({
                    "blocks": INTO_STANDSTILL,
                    "grown_mb": megabytes(standstill.grown),
                    "blocks_mb": megabytes(sent),
                    "waiting_in_lanes_mb": megabytes(sent * DEAF as f64),
                    "explanation": "each block waits for ten peers and is in memory once; whoever copied it per peer would have grown by what waits in lanes",
                }),
            ),
        ]
    }
}
