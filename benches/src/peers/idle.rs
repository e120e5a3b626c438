//! What a large book and twenty idle peers cost.
//!
//! A whole engine, actors included, in a process of its own: 20 peers (in another process) that are connected and say
//! nothing, and a book that was full when it was saved, read from its file at the start. Three things are looked at: the
//! processor time that the process takes while nothing happens, its resident memory before and after, and how long the
//! actors' thread does not answer while the book is saved. The engine saves it every five minutes; here it is told to, in
//! the way that it does it itself, while a task on the actors' thread asks the book for something every millisecond. That
//! task has its cost, too: it does not run while processor time counts.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use engine::{ChainHandle, Engine, KNOWN_CHAINS};
use protocol::book::{Calendar, Group, Heard, Kind, PeerBook, Rules, Source};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::{task::spawn_blocking, time};

use super::world::{PLACES, address, rules};
use crate::{
    Scope, clock,
    figure::{Figure, Series, rounded},
    memory, part,
    receivers::Receivers,
};

/// How long nothing happens.
const TIME: Duration = Duration::from_secs(120);
const SHORT_TIME: Duration = Duration::from_secs(10);

/// What it may cost, as a share of one core, in percent.
const GOAL: f64 = 0.5;

/// How long the actors' thread may be held by a save, in milliseconds.
const HELD: f64 = 50.0;

/// How much memory may have grown while nothing happened, in megabytes of 2^20 bytes.
const GROWN: f64 = 1.0;

/// How many addresses the book is to have at least.
const ADDRESSES: usize = 16_000;

/// How often it is saved while the actors' thread is watched.
const SAVES: usize = 10;

/// How long anything may take that should take much less.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures all rows; this process does nothing else.
pub(crate) fn measure(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    part::end_with_parent();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let rows = actix::System::with_tokio_rt(runtime).block_on(look(scope))?;
    rows.iter().try_for_each(Figure::print)?;
    Ok(rows)
}

async fn look(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let mut receivers = Receivers::start()?;
    let addresses: Vec<_> = receivers.listen_for(PLACES)?.iter().map(ToString::to_string).collect();
    let directory = tempfile::tempdir()?;
    write_config(directory.path(), &addresses)?;
    write_book(&directory.path().join("data/litecoin"))?;
    let config = config::load(directory.path(), [], KNOWN_CHAINS)?;
    let engine = Engine::start(&config)?;
    let chain = engine.chains().first().context("no chain is running")?.clone();
    all_ready(&chain).await?;
    let receivers = spawn_blocking(move || receivers.greeted(PLACES).map(|()| receivers)).await??;
    // What a save leaves in the allocator's hands is there from the first save on.
    save(&chain).await?;

    let known = chain.book_summary(Instant::now()).total();
    let (before, start, used) = (memory::resident()?, Instant::now(), clock::cpu());
    time::sleep(if scope == Scope::Full { TIME } else { SHORT_TIME }).await;
    let (used, lasted) = (clock::cpu() - used, start.elapsed());
    let after = memory::resident()?;
    let held = held_by_saves(&chain).await?;
    let after_saves = memory::resident()?;
    engine.shut_down(Duration::ZERO).await;
    drop(receivers);

    let megabytes = |bytes: f64| bytes / (1 << 20) as f64;
    let share = 100.0 * used as f64 / lasted.as_nanos() as f64;
    let cost = json!({
        "seconds": rounded(lasted.as_secs_f64()),
        "peers": PLACES,
        "addresses": known,
        "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
    });
    let saves = json!({ "saves": SAVES, "median": rounded(held.median()) });
    let resident = json!({
        "before_mb": rounded(megabytes(before as f64)),
        "after_mb": rounded(megabytes(after as f64)),
        "after_saves_mb": rounded(megabytes(after_saves as f64)),
    });
    let grown = megabytes(after as f64 - before as f64);
    let cost = match scope {
        Scope::Full => Figure::at_most("peers/idle_cpu", share, "% of a core", GOAL, cost),
        Scope::Short => Figure::told("peers/idle_cpu", share, "% of a core", cost),
    };
    let size = json!({ "file_mb": rounded(megabytes(file_size(directory.path())? as f64)) });
    Ok(vec![
        cost,
        Figure::at_most("peers/idle_memory_growth", grown, "MB", GROWN, resident),
        Figure::at_most("peers/held_by_a_save", held.last(), "ms", HELD, saves),
        Figure::at_least("peers/idle_book", known as f64, "addresses", ADDRESSES as f64, size),
    ])
}

/// Saves the book, as its actor does.
async fn save(chain: &Arc<ChainHandle>) -> anyhow::Result<()> {
    let chain = chain.clone();
    Ok(spawn_blocking(move || chain.save_book()).await?)
}

/// The longest that the actors' thread did not answer, in milliseconds, in each of some saves.
async fn held_by_saves(chain: &Arc<ChainHandle>) -> anyhow::Result<Series> {
    let mut longest = Vec::new();
    for _ in 0..SAVES {
        let watched = chain.clone();
        let mut saving = actix::spawn({
            let chain = chain.clone();
            async move { save(&chain).await }
        });
        let mut beats = time::interval(Duration::from_millis(1));
        let (mut last, mut gap) = (Instant::now(), Duration::ZERO);
        loop {
            tokio::select! {
                saved = &mut saving => {
                    saved??;
                    break;
                }
                _ = beats.tick() => {
                    // Whoever of the actors wants something of the book waits for whoever has it.
                    drop(watched.bans());
                }
            }
            gap = gap.max(last.elapsed());
            last = Instant::now();
        }
        longest.push(gap.max(last.elapsed()).as_secs_f64() * 1e3);
        time::sleep(Duration::from_millis(50)).await;
    }
    Ok(Series::new(longest))
}

fn write_config(directory: &Path, fixed: &[String]) -> anyhow::Result<()> {
    let fixed: Vec<_> = fixed.iter().map(|address| format!("{{ address = {address:?} }}")).collect();
    let data = directory.join("data");
    fs::create_dir(directory.join("chains"))?;
    fs::write(directory.join("blockcast.toml"), format!("data_dir = {data:?}\n"))?;
    let chain = format!(
        "chain = \"litecoin\"\nnetwork = \"regtest\"\n[peers]\nmax = {PLACES}\nobservers = 0\n\
         dials_at_once = {PLACES}\ndials_per_cycle = {PLACES}\nfixed = [{}]\n",
        fixed.join(", ")
    );
    Ok(fs::write(directory.join("chains/litecoin.toml"), chain)?)
}

/// The file of a book that has been told of so many peers that it is full.
fn write_book(directory: &Path) -> anyhow::Result<()> {
    let mut rng = StdRng::seed_from_u64(1);
    let now = Instant::now();
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
    let rules = Rules { local: true, ..rules() };
    let mut book = PeerBook::new(rules, Calendar { instant: now, unix }, 1);
    for n in 0..60_000 {
        let (group, host) = (rng.random_range(0..20_000), rng.random());
        let heard = address(group, host);
        // Every third was connected once: those have places of their own.
        let teller = Group::V4([rng.random(), rng.random()]);
        let kind = Kind::Discovered(Source::Gossip);
        if book.hear(Heard { from: Some(teller), ..Heard::of(heard.clone(), kind) }, now) && n % 3 == 0 {
            book.connected(&heard, 1, Some(Duration::from_millis(50)), now);
            book.disconnected(&heard, 1.0, now);
        }
    }
    fs::create_dir_all(directory)?;
    let file = book.to_file("litecoin regtest", now);
    Ok(fs::write(directory.join("broadcast_peers.json"), file.to_json())?)
}

fn file_size(directory: &Path) -> anyhow::Result<u64> {
    Ok(fs::metadata(directory.join("data/litecoin/broadcast_peers.json"))?.len())
}

/// Waits until all peers are ready. Whoever is not told has to look.
async fn all_ready(chain: &Arc<ChainHandle>) -> anyhow::Result<()> {
    let ready = async {
        let mut looks = time::interval(Duration::from_millis(20));
        while chain.relay.ready_peers().len() < PLACES {
            looks.tick().await;
        }
    };
    let outcome = time::timeout(PATIENCE, ready).await;
    outcome.with_context(|| format!("{} of {PLACES} peers are ready", chain.relay.ready_peers().len()))
}
