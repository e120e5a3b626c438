//! `/api/v1/chains`: how the chains and their nodes are.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use engine::ChainHandle;
use relay::NodeHealth;
use serde::Serialize;
use serde_json::json;

use super::Problem;
use crate::shared::Shared;

/// A block at the end of a chain.
#[derive(Serialize)]
struct Tip {
    hash: String,
    height: u32,
}

/// How far blocks are final.
#[derive(Serialize)]
struct Finality {
    /// The chain's word for a final block: `chainlocked`.
    word: &'static str,
    /// The newest final block; `null` until a node tells of one.
    block: Option<Tip>,
    /// The node that told of it first.
    node: Option<String>,
}

/// A chain.
#[derive(Serialize)]
struct Chain {
    name: String,
    rules: String,
    network: &'static str,
    uptime_seconds: u64,
    /// The best that our nodes and peers know of.
    tip: Option<Tip>,
    /// How far blocks are final, by the word of a node of ours; `null` on chains where only work counts.
    finality: Option<Finality>,
    /// Why a block handed in now could go nowhere.
    no_delivery_path: Option<String>,
    nodes: Vec<Node>,
    peers: PeerSummary,
    journal: Journal,
    front_door: Option<SocketAddr>,
    /// Deliveries that may still change.
    open_deliveries: usize,
    /// How often the chain's actors were rebuilt after a crash.
    restarts: u64,
    /// Whether they crashed so often that they are not rebuilt any more.
    given_up: bool,
}

/// One of our own nodes.
#[derive(Serialize)]
struct Node {
    name: String,
    role: &'static str,
    rpc: Option<String>,
    p2p: Option<String>,
    /// `up`, `down` or `unknown`.
    state: &'static str,
    /// Why it is down, as a stable word.
    kind: Option<&'static str>,
    /// Why it is down, and what to do about it.
    message: Option<String>,
    /// How long it has been in this state.
    since_seconds: u64,
    /// When it last answered.
    tip: Option<Tip>,
}

#[derive(Serialize)]
struct PeerSummary {
    enabled: bool,
    /// Peers with a finished handshake that are not nodes of ours.
    connected: usize,
    /// Those of them that are never pushed to.
    observers: usize,
    /// Nodes of ours that are connected as peers.
    own: usize,
    min: usize,
    max: usize,
    in_book: usize,
    /// How many addresses of the book there are from each source.
    sources: BTreeMap<&'static str, usize>,
    in_backoff: usize,
    /// Hosts that the operator has banned.
    bans: usize,
}

/// The journal, which all chains share.
#[derive(Serialize)]
struct Journal {
    /// Whether blocks are on disk before they are acknowledged.
    durable: bool,
    open_blocks: usize,
    open_bytes: u64,
    unsaved_blocks: usize,
    given_up: u64,
    /// The latest failure, which may be over.
    last_error: Option<String>,
    syncs: u64,
    last_sync_seconds: Option<f64>,
}

/// The ledger, which all chains share.
#[derive(Serialize)]
struct Ledger {
    /// Whether history is being written down.
    available: bool,
    /// Why not.
    why: Option<String>,
    blocks: u64,
    bytes: u64,
    /// Writes that wait.
    pending: usize,
    /// Writes that were let go of because too many waited.
    dropped: u64,
    /// The latest failure, which may be over.
    last_error: Option<String>,
}

fn ledger(shared: &Shared) -> Ledger {
    let health = shared.engine.ledger();
    let ledger::Health { available, why, blocks, bytes, pending, dropped, last_error, .. } = health;
    let last_error = last_error.map(|fault| fault.message);
    Ledger { available, why, blocks, bytes, pending, dropped, last_error }
}

/// `{"version", "uptime_seconds", "ready", "reasons", "journal", "ledger", "chains": [chain, …]}`
pub(super) async fn all(shared: Data<Shared>) -> HttpResponse {
    let readiness = shared.readiness();
    let chains: Vec<_> = shared.engine.chains().iter().map(|chain| describe(&shared, chain)).collect();
    HttpResponse::Ok().json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": shared.engine.started().elapsed().as_secs(),
        "ready": readiness.ready,
        "reasons": readiness.reasons,
        "journal": journal(&shared),
        "ledger": ledger(&shared),
        "chains": chains,
    }))
}

pub(super) async fn one(shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Problem> {
    let chain = super::chain(&shared, &name)?;
    Ok(HttpResponse::Ok().json(describe(&shared, chain)))
}

fn describe(shared: &Shared, chain: &ChainHandle) -> Chain {
    let tip = chain.relay.tip().map(|(hash, height)| Tip { hash: hash.to_string(), height });
    Chain {
        name: chain.name().to_owned(),
        rules: chain.config.chain.clone(),
        network: chain.config.network.as_str(),
        uptime_seconds: chain.started().elapsed().as_secs(),
        tip,
        finality: finality(chain),
        no_delivery_path: chain.without_delivery_path(),
        nodes: chain.relay.nodes().iter().map(|node| self::node(chain, node)).collect(),
        peers: peer_summary(chain),
        journal: journal(shared),
        front_door: shared.doors.get(chain.name()).copied(),
        open_deliveries: chain.relay.live().len(),
        restarts: chain.restarts(),
        given_up: chain.given_up(),
    }
}

fn finality(chain: &ChainHandle) -> Option<Finality> {
    let word = chain.relay.chain().finality()?.word();
    let (block, node) = match chain.relay.newest_lock() {
        Some((lock, node)) => (Some(Tip { hash: lock.block.to_string(), height: lock.height }), Some(node)),
        None => (None, None),
    };
    Some(Finality { word, block, node })
}

fn node(chain: &ChainHandle, node: &relay::Node) -> Node {
    let configured = chain.config.nodes.iter().find(|configured| configured.name == node.name());
    let status = node.status();
    let (state, kind, message) = match status.health {
        NodeHealth::Unknown => ("unknown", None, None),
        NodeHealth::Up => ("up", None, None),
        NodeHealth::Down { kind, message } => ("down", Some(kind), Some(message)),
    };
    Node {
        name: node.name().to_owned(),
        role: if node.is_primary() { "primary" } else { "backup" },
        rpc: configured.map(|configured| configured.rpc.url.to_string()),
        p2p: node.p2p().map(str::to_owned),
        state,
        kind,
        message,
        since_seconds: status.since.elapsed().as_secs(),
        tip: status.tip.map(|tip| Tip { hash: tip.hash.to_string(), height: tip.height }),
    }
}

fn peer_summary(chain: &ChainHandle) -> PeerSummary {
    let settings = &chain.config.peers;
    let (ready, book) = (chain.relay.ready_peers(), chain.book_summary(Instant::now()));
    PeerSummary {
        enabled: settings.enabled,
        connected: ready.iter().filter(|peer| !peer.kind.is_own()).count(),
        observers: ready.iter().filter(|peer| peer.is_observer()).count(),
        own: ready.iter().filter(|peer| peer.kind.is_own()).count(),
        min: settings.min,
        max: settings.max,
        in_book: book.total(),
        in_backoff: book.in_backoff,
        sources: book.sources,
        bans: chain.bans().len(),
    }
}

fn journal(shared: &Shared) -> Journal {
    let health = shared.engine.journal();
    Journal {
        durable: health.durable,
        open_blocks: health.open_blocks,
        open_bytes: health.open_bytes,
        unsaved_blocks: health.unsaved_blocks,
        given_up: health.given_up,
        last_error: health.last_error.map(|error| error.to_string()),
        syncs: health.syncs,
        last_sync_seconds: health.last_sync.as_ref().map(Duration::as_secs_f64),
    }
}
