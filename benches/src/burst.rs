//! `burst`: whether a hundred blocks in ten seconds all arrive, and cost nobody the connection.
//!
//! Each block follows on the one before, so none supersedes another, and a peer that lacks one can take none of the rest.
//! Twenty honest peers are 200 ms away, so that two blocks are on their way to each before the first is answered for:
//! over an emulated path where namespaces are allowed, else nearby and answering 200 ms later. The receivers compare
//! every block with what was sent.

use std::{fs, net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::Context;
use relay::Delivery;
use serde_json::json;
use tokio::{
    task::block_in_place,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};

use crate::{
    Scope,
    blocks::Blocks,
    fanout::Engine,
    figure::{Figure, Series, rounded},
    part::{self, Part},
    receivers::{Followed, Manner, Receivers},
    wan::{self, emulator::Path, link::Link, namespaces},
};

const BLOCKS: usize = 100;
const EVERY: Duration = Duration::from_millis(100);
const PEERS: usize = 20;
const SIZE: usize = 100_000;
const ROUND_TRIP: Duration = Duration::from_millis(200);

const PATH: Path =
    Path { delay: Duration::from_millis(100), bandwidth: 1_000_000_000, buffer: ROUND_TRIP, loss: 0.0 };

/// How long after the last block everything has to have an outcome.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the peers come to be far away.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Distance {
    /// By an emulated path.
    Emulated,
    /// By answering late: there can be no path, for this reason.
    LateAnswers(String),
}

/// Measures in namespaces of our own where that is possible, and here where it is not. A burst is what it is, also in
/// continuous integration.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    match namespaces::runner() {
        Ok(runner) => part::measure(Part::Burst.command_behind(runner)?, scope),
        Err(why) => measure(Distance::LateAnswers(why)),
    }
}

/// Measures; this process is in a namespace of its own.
pub(crate) fn measure_far() -> anyhow::Result<Vec<Figure>> {
    part::end_with_parent();
    measure(Distance::Emulated)
}

fn measure(distance: Distance) -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(burst(distance))?;
    rows.iter().try_for_each(Figure::print)?;
    Ok(rows)
}

async fn burst(distance: Distance) -> anyhow::Result<Vec<Figure>> {
    let (mut receivers, at, link) = match &distance {
        Distance::Emulated => {
            let mut receivers = wan::far_receivers()?;
            let at = receivers.listen_at(Ipv4Addr::UNSPECIFIED.into(), PEERS, Manner::PROMPT)?;
            let link = Link::start(&receivers, &[PATH])?;
            (receivers, Link::far(0, &at), Some(link))
        }
        Distance::LateAnswers(_) => {
            let mut receivers = Receivers::start()?;
            let at = receivers.listen_at(
                Ipv4Addr::LOCALHOST.into(),
                PEERS,
                Manner::Honest { late: ROUND_TRIP },
            )?;
            (receivers, at, None)
        }
    };
    let engine = Engine::connect(&at).await?;
    let directory = tempfile::tempdir()?;
    let mut blocks = Blocks::new();
    let (mut files, mut burst) = (Vec::new(), Vec::new());
    for place in 0..BLOCKS {
        let block = blocks.next(SIZE);
        files.push(directory.path().join(place.to_string()));
        fs::write(&files[place], &block.bytes)?;
        burst.push(block.bytes);
    }
    receivers.follow(at[0], PEERS, &files)?;

    let start = Instant::now();
    // A block that is late because this machine was busy does not put off those behind it.
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut deliveries = Vec::new();
    for block in burst {
        ticks.tick().await;
        deliveries.push(engine.submit(block));
    }
    let handed_in = start.elapsed();
    let deadline = Instant::now() + PATIENCE;
    for delivery in &deliveries {
        // Whether it was reached in time or not, the account is drawn from the reports.
        let all = delivery.reached(relay::Goal::Peers(PEERS), PATIENCE);
        let _ = timeout_at(deadline, all).await;
    }
    let followed = block_in_place(|| receivers.followed())?;
    let account = Account::draw(&deliveries, followed, engine.relay.ready_peers().len());
    let took = median_time(&deliveries).context("not a single block arrived")?;
    engine.relay.shut_down(Duration::ZERO).await;
    drop(link);

    let distance = match distance {
        Distance::Emulated => "emulated path between two network namespaces".to_owned(),
        Distance::LateAnswers(why) => format!("loopback, the peers answer that late: {why}"),
    };
    let detail = json!({
        "blocks": BLOCKS,
        "block_bytes": SIZE,
        "handed_in_within_s": rounded(handed_in.as_secs_f64()),
        "peers": PEERS,
        "round_trip_ms": ROUND_TRIP.as_millis(),
        "distance": distance,
        "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
        "not_received": account.not_received,
        "not_accepted": account.not_accepted,
        "not_durable": account.not_durable,
        "peers_lost": account.peers_lost,
        "received_twice": followed.repeated,
        "all_proven_median_ms": rounded(took),
    });
    Ok(vec![Figure::at_most("burst/lost_or_dropped", account.sum() as f64, "deliveries", 0.0, detail)])
}

/// What went wrong.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    /// Blocks that a peer does not have, by its own account, summed over all peers.
    not_received: usize,
    /// Deliveries to a peer that did not end as accepted.
    not_accepted: usize,
    /// Blocks that the journal did not take care of.
    not_durable: usize,
    /// Connections that did not last.
    peers_lost: usize,
}

impl Account {
    fn draw(deliveries: &[Arc<Delivery>], followed: Followed, ready: usize) -> Self {
        let reports: Vec<_> = deliveries.iter().map(|delivery| delivery.report("litecoin")).collect();
        let accepted = reports.iter().flat_map(|report| &report.peers);
        let accepted = accepted.filter(|peer| peer.outcome.as_deref() == Some("accepted")).count();
        Self {
            not_received: BLOCKS * PEERS - followed.whole + followed.foreign,
            not_accepted: BLOCKS * PEERS - accepted,
            not_durable: reports.iter().filter(|report| report.durable != Some(true)).count(),
            peers_lost: PEERS - ready.min(followed.open),
        }
    }

    fn sum(&self) -> usize {
        self.not_received + self.not_accepted + self.not_durable + self.peers_lost
    }
}

/// How long it took until the last peer was proven to have a block, in milliseconds; the median of all blocks.
fn median_time(deliveries: &[Arc<Delivery>]) -> Option<f64> {
    let last = deliveries.iter().filter_map(|delivery| {
        let report = delivery.report("litecoin");
        report.peers.iter().filter_map(|peer| peer.outcome_ms).max_by(f64::total_cmp)
    });
    let last: Vec<_> = last.collect();
    (!last.is_empty()).then(|| Series::new(last).median())
}
