//! `ledger`: what it costs a block that everything is written down, and what it takes to read it again.
//!
//! Two relays submit to the same node in turn. One has a journal and a ledger on the disk; the other's journal has been
//! shut down, and it has no ledger. What is compared is the time from the call to the first byte at the node.

mod listener;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use chain::Network;
use journal::{Entry, Journal, Key};
use ledger::{Fate, Filter, Ledger, NodeReport, PeerReport, Report, Settings};
use litecoin::Litecoin;
use rand::seq::SliceRandom;
use relay::{Acknowledge, Events, Facilities, Metrics, Node, Relay, Source, Submission};
use rpc::{Auth, Client, Endpoint};
use serde_json::json;
use tokio::task::block_in_place;

use self::listener::Listener;
use crate::{
    Scope,
    blocks::Blocks,
    clock, fanout,
    figure::{Figure, Series, rounded},
};

/// What journal and ledger may add to the time until the first byte.
const GOAL: f64 = 1.05;

/// How long a list of blocks may take, in milliseconds.
const LIST_GOAL: f64 = 50.0;

const SIZE: usize = 20_000;
const WARM_UP: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures all rows.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let (rounds, appends, blocks) = match scope {
        Scope::Full => (1601, 2000, 100_000),
        Scope::Short => (41, 200, 5_000),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut figures = Vec::new();
    for figure in [
        runtime.block_on(submits(rounds))?,
        runtime.block_on(journal(appends))?,
        runtime.block_on(lists(blocks))?,
    ]
    .into_iter()
    .flatten()
    {
        figure.print()?;
        figures.push(figure);
    }
    Ok(figures)
}

fn ledger_in(directory: &Path) -> Ledger {
    Ledger::open(Settings {
        path: directory.join("ledger.sqlite"),
        keep: Duration::from_secs(365 * 24 * 3600),
        max_bytes: 10_000_000_000,
        raw_blocks: 100,
    })
}

fn relay(node: &Client, journal: Journal, ledger: Option<Ledger>) -> Arc<Relay> {
    let settings = fanout::settings("litecoin", Acknowledge::First);
    let metrics = Metrics::new().chain("litecoin");
    let facilities = Facilities { journal, ledger, metrics, events: Events::default() };
    let nodes = vec![Arc::new(Node::new(node.clone(), true, None))];
    Relay::start(settings, Arc::new(Litecoin::new(Network::Regtest)), nodes, facilities)
}

async fn submits(rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let listener = Listener::start()?;
    let client = Client::new(Endpoint {
        name: "node".into(),
        url: format!("http://{}", listener.address()).parse()?,
        auth: Auth::password("figures", "figures"),
        timeouts: rpc::Timeouts::default(),
    });
    let warm = client.clone();
    let warm = tokio::spawn(async move { warm.keep_warm().await });
    let mut readiness = client.readiness();
    let ready = readiness.wait_for(rpc::Readiness::is_ready);
    tokio::time::timeout(PATIENCE, ready).await.context("the node is not ready")??;

    let (on_disk, _) = Journal::open(&directory.path().join("journal"))?;
    let ledger = ledger_in(directory.path());
    let (none, _) = Journal::open(&directory.path().join("none"))?;
    none.clone().shutdown();
    let relays = [relay(&client, on_disk, Some(ledger.clone())), relay(&client, none, None)];

    let mut blocks = Blocks::new();
    let mut times = [Vec::new(), Vec::new()];
    let mut not_durable = 0;
    for round in 0..WARM_UP + rounds {
        let mut order = [0, 1];
        order.shuffle(&mut rand::rng());
        for which in order {
            let block = blocks.next(SIZE);
            let hex = Bytes::from(faster_hex::hex_string(&block.bytes));
            let submission = Submission::own(Source::FrontDoor, block.bytes.clone());
            let start = clock::now();
            let delivery = relays[which].submit(Submission { hex: Some(hex), ..submission });
            let first = block_in_place(|| listener.next(PATIENCE))?;
            let told = delivery.acknowledgement().await;
            ensure!(told.durable == (which == 0), "the contestants are not what they should be");
            not_durable += usize::from(which == 0 && !told.durable);
            if round >= WARM_UP {
                times[which].push(first.saturating_sub(start) as f64 / 1000.0);
            }
        }
    }
    for relay in &relays {
        relay.shut_down(Duration::ZERO).await;
    }
    warm.abort();
    let written = ledger.blocks(Filter { limit: 1000, ..Filter::default() }).await?.len();
    let [with, without] = times.map(Series::new);
    let microseconds = |series: &Series| {
        json!({ "median_us": rounded(series.median()), "p95_us": rounded(series.quantile(0.95)),
                "least_us": rounded(series.first()) })
    };
    let detail = json!({
        "block_bytes": SIZE,
        "rounds": rounds,
        "with": microseconds(&with),
        "without": microseconds(&without),
        "blocks_in_ledger": written,
        "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
    });
    let ratio = with.median() / without.median();
    let missing = (WARM_UP + rounds).min(1000).saturating_sub(written) + not_durable;
    ledger.shutdown();
    Ok(vec![
        Figure::at_most("ledger/first_byte_with_vs_without", ratio, "ratio", GOAL, detail),
        Figure::at_most("ledger/not_written_down", missing as f64, "blocks", 0.0, json!({})),
    ])
}

/// How long it takes until a block is on disk.
async fn journal(appends: usize) -> anyhow::Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let (journal, _) = Journal::open(&directory.path().join("journal"))?;
    let mut times = Vec::new();
    for number in 0..appends {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let key = Key::new(key);
        let block = Bytes::from(vec![u8::try_from(number % 251)?; SIZE]);
        let entry = Entry { key, chain: "litecoin".into(), meta: Bytes::new(), block };
        let start = Instant::now();
        journal.append(entry).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        journal.close(key);
    }
    journal.shutdown();
    let times = Series::new(times);
    let detail = json!({ "block_bytes": SIZE, "appends": appends, "median_ms": rounded(times.median()),
                         "worst_ms": rounded(times.last()) });
    Ok(vec![Figure::told("ledger/journal_p99", times.quantile(0.99), "ms", detail)])
}

/// How long a list takes among so many blocks.
async fn lists(blocks: usize) -> anyhow::Result<Vec<Figure>> {
    const BATCH: usize = 500;
    let directory = tempfile::tempdir()?;
    let ledger = ledger_in(directory.path());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as u64;
    let begun = Instant::now();
    for batch in (0..blocks).collect::<Vec<_>>().chunks(BATCH) {
        let written: Vec<_> = batch
            .iter()
            .map(|number| {
                let at = now - (blocks - number) as u64 * 1000;
                let report = report(*number, at);
                let (chain, hash) = (report.chain.clone(), report.hash.clone());
                let recorded = ledger.record(report, None);
                let state = ["confirmed", "orphaned", "confirmed", "rejected"][number % 4];
                let fate = Fate { state: state.into(), since_unix_ms: at, required: 6, ..Fate::default() };
                ledger.fate(&chain, &hash, fate);
                recorded
            })
            .collect();
        for recorded in written {
            recorded.await?;
        }
    }
    let filled = begun.elapsed();
    let filters = [
        Filter { limit: 100, ..Filter::default() },
        Filter { limit: 1000, ..Filter::default() },
        Filter { limit: 100, chain: Some("dash".into()), ..Filter::default() },
        Filter { limit: 100, states: vec!["orphaned".into(), "rejected".into()], ..Filter::default() },
        Filter {
            limit: 100,
            chain: Some("litecoin".into()),
            states: vec!["side".into()],
            ..Filter::default()
        },
        Filter { limit: 100, source: Some(Source::Cli), before: Some(now / 2), ..Filter::default() },
    ];
    let (mut times, mut found) = (Vec::new(), 0);
    for _ in 0..20 {
        for filter in &filters {
            let start = Instant::now();
            found += ledger.blocks(filter.clone()).await?.len();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    ensure!(found > 0, "the lists are empty");
    let start = Instant::now();
    let page = ledger.block(&report(blocks / 2, 0).hash).await?;
    ensure!(page.len() == 1, "a block is missing");
    let page_ms = start.elapsed().as_secs_f64() * 1e3;
    let health = ledger.health();
    let times = Series::new(times);
    let detail = json!({
        "blocks": health.blocks,
        "file_bytes": health.bytes,
        "filled_in_s": rounded(filled.as_secs_f64()),
        "median_ms": rounded(times.median()),
        "one_block_ms": rounded(page_ms),
        "lists": filters.len(),
    });
    ledger.shutdown();
    Ok(vec![Figure::at_most("ledger/slowest_list", times.last(), "ms", LIST_GOAL, detail)])
}

/// A block such as there are many: two nodes, eight peers.
fn report(number: usize, received_unix_ms: u64) -> Report {
    let peer = |index: usize| PeerReport {
        peer: format!("203.0.113.{index}:9333"),
        outcome: Some("accepted".into()),
        detail: None,
        stage: Some("processed".into()),
        queued_ms: Some(0.5),
        written_ms: Some(0.7),
        acked_ms: Some(40.0),
        processed_ms: Some(90.0),
        outcome_ms: Some(91.0),
    };
    let node = |name: &str| NodeReport {
        node: name.into(),
        judgement: Some("accepted".into()),
        verdict: Some(serde_json::Value::Null),
        masked: false,
        answered_ms: Some(3.0),
        judged_ms: Some(3.0),
        attempts: 1,
    };
    Report {
        chain: if number.is_multiple_of(3) { "dash" } else { "litecoin" }.into(),
        hash: format!("{number:064x}"),
        form: format!("{number:064x}"),
        height: u32::try_from(number).ok(),
        parent: format!("{:064x}", number.wrapping_sub(1)),
        merged_with: None,
        size: SIZE,
        source: if number.is_multiple_of(5) { Source::Cli } else { Source::FrontDoor },
        received_unix_ms,
        age_ms: 0.0,
        repeats: 0,
        submissions: Vec::new(),
        status: "accepted".into(),
        durable: Some(true),
        durable_ms: Some(2.0),
        journal_error: None,
        inspected_ms: Some(1.0),
        findings: Vec::new(),
        kept_off_p2p: None,
        peers_with_block: 8,
        peers_addressed: 8,
        peers_sent_to: 8,
        first_echo: None,
        finality: None,
        nodes: vec![node("a"), node("b")],
        peers: (1..=8).map(peer).collect(),
    }
}
