//! `idle-peers`: what a connected peer that says nothing costs in memory.
//!
//! A whole engine, actors included, in a process of its own: its resident memory before it has dialled anybody, and when
//! a thousand peers are connected, have introduced themselves and have answered a ping. All that has grown counts,
//! also what would be there with one peer. Not counted are the kernel's own buffers, which are not the engine's choice
//! and, for an idle connection, empty.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use engine::{Engine, KNOWN_CHAINS};
use protocol::book::{Kind, Priority};
use relay::{Goal, PeerSpec, Relay, Source, Submission};
use serde_json::json;
use tokio::{task::spawn_blocking, time};

use crate::{
    Scope,
    blocks::Blocks,
    figure::{Figure, Series, rounded},
    memory,
    part::{self, Part},
    receivers::Receivers,
};

const PEERS: usize = 1000;

/// What a peer may cost, in kilobytes of 1024 bytes.
const GOAL: f64 = 40.0;

/// File descriptors that the engine and the receivers may need each: the receivers listen on a port per peer.
const DESCRIPTORS: u64 = 2 * PEERS as u64 + 200;

/// How often memory is looked at, and at what interval: a moment's garbage is not the peers'.
const SAMPLES: usize = 11;
const INTERVAL: Duration = Duration::from_millis(200);

/// How long it may take until all are connected: the book dials a hundred in five seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// Measures in a process of its own: what other figures have left in memory is not the peers' either.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    part::measure(Part::IdlePeers.command()?, scope)
}

/// Measures all rows; this process does nothing else.
pub(crate) fn measure(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    part::end_with_parent();
    let rows = match part::allow_descriptors(DESCRIPTORS) {
        Ok(()) => {
            let runtime =
                || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            actix::System::with_tokio_rt(runtime).block_on(connect_and_look(scope))?
        }
        Err(why) => vec![Figure::skipped("idle-peers", "KB", why)],
    };
    rows.iter().try_for_each(Figure::print)?;
    Ok(rows)
}

async fn connect_and_look(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let mut receivers = Receivers::start()?;
    let addresses: Vec<_> = receivers.listen_for(PEERS)?.iter().map(ToString::to_string).collect();
    // The book takes its time, which continuous integration has not got: there the rest is connected past it, and lacks
    // the little that it and an actor hold for each.
    let by_book = if scope == Scope::Full { PEERS } else { 1 };
    let directory = tempfile::tempdir()?;
    write_config(directory.path(), &addresses[..by_book])?;
    let config = config::load(directory.path(), [], KNOWN_CHAINS)?;
    let engine = Engine::start(&config)?;
    // Nothing of what was started has run yet: that happens on this very thread.
    let before = memory::resident()?;
    let relay = engine.chains().first().context("no chain is running")?.relay.clone();
    for address in &addresses[by_book..] {
        let spec =
            PeerSpec { address: address.clone(), kind: Kind::Fixed { priority: Priority::Normal }, score: 0 };
        relay.connect(spec, |_| {});
    }
    all_ready(&relay).await?;
    let mut receivers = spawn_blocking(move || receivers.greeted(PEERS).map(|()| receivers)).await??;
    let idle = look().await?;

    let block = Blocks::new().next(100_000);
    let delivery = relay.submit(Submission::own(Source::Rest, block.bytes));
    ensure!(delivery.reached(Goal::Peers(PEERS), PATIENCE).await, "not every peer has the block");
    receivers = spawn_blocking(move || receivers.greeted(PEERS).map(|()| receivers)).await??;
    let sent_to = look().await?;
    engine.shut_down(Duration::ZERO).await;
    drop(receivers);

    let per_peer = |resident: &Series| (resident.median() - before as f64) / 1024.0 / PEERS as f64;
    let megabytes = |bytes: f64| rounded(bytes / (1 << 20) as f64);
    let detail = json!({
        "peers": PEERS,
        "connected_by_the_peer_book": by_book,
        "before_mb": megabytes(before as f64),
        "after_mb": megabytes(idle.median()),
        "after_least_mb": megabytes(idle.first()),
        "after_most_mb": megabytes(idle.last()),
        "samples": SAMPLES,
        "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
    });
    let later =
        json!({ "block_bytes": delivery.report("litecoin").size, "after_mb": megabytes(sent_to.median()) });
    Ok(vec![
        Figure::at_most("idle-peers/resident_per_peer", per_peer(&idle), "KB", GOAL, detail),
        Figure::told("idle-peers/resident_per_peer_after_a_block", per_peer(&sent_to), "KB", later),
    ])
}

fn write_config(directory: &Path, fixed: &[String]) -> anyhow::Result<()> {
    let fixed: Vec<_> = fixed.iter().map(|address| format!("{{ address = {address:?} }}")).collect();
    let data = directory.join("data");
    fs::create_dir(directory.join("chains"))?;
    fs::write(directory.join("blockcast.toml"), format!("data_dir = {data:?}\n"))?;
    let chain = format!(
        "chain = \"litecoin\"\nnetwork = \"regtest\"\n[peers]\nmax = {PEERS}\nobservers = 0\ndials_at_once = 50\n\
         dials_per_cycle = 100\nfixed = [{}]\n",
        fixed.join(", ")
    );
    Ok(fs::write(directory.join("chains/litecoin.toml"), chain)?)
}

/// Waits until all peers are ready. Whoever is not told has to look.
async fn all_ready(relay: &Arc<Relay>) -> anyhow::Result<()> {
    let ready = async {
        let mut looks = time::interval(Duration::from_millis(20));
        while relay.ready_peers().len() < PEERS {
            looks.tick().await;
        }
    };
    let outcome = time::timeout(PATIENCE, ready).await;
    outcome.with_context(|| format!("{} of {PEERS} peers are ready", relay.ready_peers().len()))
}

/// Looks at this process's memory for a while.
async fn look() -> anyhow::Result<Series> {
    let mut looks = time::interval(INTERVAL);
    let mut samples = Vec::new();
    while samples.len() < SAMPLES {
        looks.tick().await;
        samples.push(memory::resident()? as f64);
    }
    Ok(Series::new(samples))
}
