//! `submit`: how fast a found block is on its way to all nodes, and what it costs to judge one that was merge-mined.
//!
//! Eight nodes are HTTP servers in another process, which note when the last byte of a request has come, and answer once
//! all have theirs: a daemon takes longer than that to judge a block. The floor is a bare client: one task for each
//! node, its connection open, the request written beforehand. The engine is handed the block in the caller's own bytes
//! and digits, and does meanwhile all that it does with a block: names it, joins or begins a delivery, writes its journal,
//! inspects it.
//!
//! The inspection is timed alone, without its scrypt hash, which costs more than all the rest and is computed once: the
//! wrapper of the chain counts what may compute one.

mod bare;
mod counting;
mod inspection;
mod merged;
mod nodes;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use bytes::Bytes;
use chain::Network;
use dogecoin::Dogecoin;
use rand::seq::SliceRandom;
use relay::{Acknowledge, Delivery, Node, Source, Submission};
use rpc::{Auth, Client, Endpoint, SubmitRequest};
use serde_json::json;
use tokio::task::{JoinSet, block_in_place};
use wire::sha256d;

pub(crate) use self::nodes::run as receive;
use self::{
    bare::{Bare, Request},
    counting::Counting,
    merged::MergedBlocks,
    nodes::Nodes,
};
use crate::{
    Scope, clock,
    fanout::Engine,
    figure::{Figure, Series, rounded},
};

const NODES: usize = 8;
const SIZES: [(usize, &str); 3] = [(20_000, "20KB"), (200_000, "200KB"), (990_000, "1MB")];

/// What the engine may take of the bare client's time.
const GOAL: f64 = 1.2;

/// Rounds whose times count, and rounds before them.
const ROUNDS: usize = 1001;
const WARM_UP: usize = 5;

/// How long anything may take that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The login that the nodes ask for.
const USER: &str = "figures";
const PASSWORD: &str = "figures";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contestant {
    Engine,
    Bare,
}

/// How long after the call the first and the last node had the whole request, round by round, in microseconds.
#[derive(Debug, Default)]
struct Times {
    first: Vec<f64>,
    last: Vec<f64>,
}

impl Times {
    fn note(&mut self, start: u64, arrived: &[u64]) {
        let after = |at: &u64| at.saturating_sub(start) as f64 / 1000.0;
        let series = Series::new(arrived.iter().map(after).collect());
        self.first.push(series.first());
        self.last.push(series.last());
    }

    fn json(&self) -> serde_json::Value {
        let (first, last) = (Series::new(self.first.clone()), Series::new(self.last.clone()));
        json!({
            "first_node_us": rounded(first.median()),
            "last_node_us": rounded(last.median()),
            "last_node_least_us": rounded(last.first()),
            "last_node_p95_us": rounded(last.quantile(0.95)),
        })
    }
}

/// Measures all rows.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let rounds = match scope {
        Scope::Full => ROUNDS,
        Scope::Short => 11,
    };
    let mut figures = inspection::measure(scope)?;
    figures.iter().try_for_each(Figure::print)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for (size, label) in SIZES {
        let rows = runtime.block_on(measure(size, label, rounds))?;
        rows.iter().try_for_each(Figure::print)?;
        figures.extend(rows);
    }
    Ok(figures)
}

async fn measure(size: usize, label: &str, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let mut nodes = Nodes::start()?;
    let mut bare = Bare::connect(nodes.addresses()).await?;
    let chain = Arc::new(Counting::new(Dogecoin::new(Network::Regtest)));
    let clients = nodes.addresses().iter().enumerate().map(|(index, address)| {
        let name = format!("node-{index}");
        let url = format!("http://{address}").parse()?;
        let auth = Auth::password(USER, PASSWORD);
        Ok(Client::new(Endpoint { name, url, auth, timeouts: rpc::Timeouts::default() }))
    });
    let clients = clients.collect::<anyhow::Result<Vec<_>>>()?;
    let _warm = warmed(&clients).await?;
    let ours = clients.iter().enumerate();
    let ours = ours.map(|(index, client)| Arc::new(Node::new(client.clone(), index == 0, None))).collect();
    let engine = Engine::start("dogecoin", chain.clone(), ours, Acknowledge::All)?;

    let (mut theirs, mut floor) = (Times::default(), Times::default());
    let mut contestants = [Contestant::Engine, Contestant::Bare];
    let mut blocks = MergedBlocks::new();
    let (mut refused, mut length, mut calls) = (0, 0, Vec::new());
    for round in 0..WARM_UP + rounds {
        let block = blocks.next(size);
        length = block.len();
        let request = Bytes::from(SubmitRequest::from_bytes(&block).pieces().concat());
        let expected = sha256d(&request);
        let hex = Bytes::from(faster_hex::hex_string(&block));
        contestants.shuffle(&mut rand::rng());
        for contestant in contestants {
            let (start, arrived) = match contestant {
                Contestant::Engine => {
                    let start = clock::now();
                    let submission = Submission::own(Source::FrontDoor, block.clone());
                    let submission = Submission { hex: Some(hex.clone()), ..submission };
                    let delivery = engine.relay.submit(submission);
                    calls.push(clock::now().saturating_sub(start) as f64 / 1000.0);
                    let arrived = block_in_place(|| nodes.arrived(&expected))?;
                    refused += NODES - accepted(&delivery).await?;
                    (start, arrived)
                }
                Contestant::Bare => {
                    let request = Request::new(&request);
                    let start = clock::now();
                    let sending = bare.submit(&request);
                    let arrived = block_in_place(|| nodes.arrived(&expected))?;
                    bare.wait(sending).await?;
                    (start, arrived)
                }
            };
            if round >= WARM_UP {
                let times = if contestant == Contestant::Engine { &mut theirs } else { &mut floor };
                times.note(start, &arrived);
            }
        }
    }
    engine.relay.shut_down(Duration::ZERO).await;

    let median = |times: &Times| Series::new(times.last.clone()).median();
    let detail = json!({
        "nodes": NODES,
        "block_bytes": length,
        "rounds": rounds,
        "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
        "engine": theirs.json(),
        "engine_call_us": rounded(Series::new(calls).median()),
        "bare": floor.json(),
    });
    let submitted = (WARM_UP + rounds) as f64;
    let counted = json!({
        "submissions": submitted,
        "inspections": chain.inspections(),
        "header_checks": chain.work_checks(),
    });
    let name = |row: &str| format!("submit/{NODES}x{label}/{row}");
    let ratio = median(&theirs) / median(&floor);
    let hashes = (chain.inspections() + chain.work_checks()) as f64 / submitted;
    Ok(vec![
        Figure::at_most(name("last_node_vs_bare"), ratio, "ratio", GOAL, detail),
        Figure::at_most(name("hashes_a_submission"), hashes, "hashes", 1.0, counted),
        Figure::at_most(name("not_accepted"), refused as f64, "verdicts", 0.0, json!({})),
    ])
}

/// Keeps submit connections to all nodes open, and waits until they are; until what is returned is dropped.
async fn warmed(clients: &[Client]) -> anyhow::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for client in clients {
        let client = client.clone();
        tasks.spawn(async move { client.keep_warm().await });
    }
    for client in clients {
        let mut readiness = client.readiness();
        let ready = readiness.wait_for(rpc::Readiness::is_ready);
        tokio::time::timeout(PATIENCE, ready).await.context("a node is not ready")??;
    }
    Ok(tasks)
}

/// How many nodes have accepted a block, once all have spoken and it is sound and on disk.
async fn accepted(delivery: &Delivery) -> anyhow::Result<usize> {
    let finding = delivery.finding(PATIENCE).await;
    ensure!(finding.is_none(), "our own block is not sound: {finding:?}");
    ensure!(delivery.acknowledgement().await.durable, "a block is not on disk");
    let report = delivery.report("dogecoin");
    Ok(report.nodes.iter().filter(|node| node.judgement.as_deref() == Some("accepted")).count())
}
