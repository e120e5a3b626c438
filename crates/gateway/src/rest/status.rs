//! `/broadcaster_status`: the JSON that operators of p2pool-dash know, for each chain and summed up.
//!
//! Names and places are p2pool's, so that scripts and dashboards go on working; that is also why the word `dashd` stands
//! in some of them, whatever the chain: it means a node of ours. Two things differ, on purpose. A broadcast counts as
//! successful when the peer is *proven* to have the block (`accepted`, `already_had`), not when it was queued;
//! `statistics.outcomes` has all outcomes. And what is not measured here is `null`, not a number.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use engine::{BookEntry, ChainHandle};
use relay::{NodeHealth, Peer};
use serde::Serialize;

use super::{Problem, counts::Counts, peers::is_in_backoff};
use crate::shared::Shared;

/// Outcomes after which the peer has the block in its chain (`protocol::delivery::Outcome::is_success`).
const SUCCESSFUL: [&str; 2] = ["accepted", "already_had"];
/// Outcomes after which it is known, or likely, that the peer has not got it from us.
const FAILED: [&str; 3] = ["rejected", "disconnected", "timed_out"];

/// How many addresses in backoff are listed, those that are due first: a book may have thousands.
const LISTED_IN_BACKOFF: usize = 200;

/// The status, in p2pool's shape.
#[derive(Debug, Clone, Serialize)]
struct Status {
    /// Whether blocks are pushed to peers at all.
    enabled: bool,
    /// Whether there are addresses to dial.
    bootstrapped: bool,
    health: Health,
    statistics: Statistics,
    database: Database,
    peers: Peers,
    configuration: Configuration,
}

#[derive(Debug, Clone, Serialize)]
struct Health {
    active_connections: usize,
    protected_connections: usize,
    total_connections: usize,
    target_max_peers: usize,
    target_min_peers: usize,
    /// Every node of ours answers its RPC, and there are at least `target_min_peers` peers besides them.
    healthy: bool,
    /// Whether a node of ours is connected as a peer.
    local_dashd_connected: bool,
    /// How many of our nodes answer their RPC, and how many there are.
    nodes_up: usize,
    nodes_total: usize,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Statistics {
    blocks_broadcast: u64,
    total_peer_broadcasts: u64,
    successful_broadcasts: u64,
    failed_broadcasts: u64,
    success_rate_percent: f64,
    connection_attempts: u64,
    successful_connections: u64,
    failed_connections: u64,
    timeouts: u64,
    refused: u64,
    dashd_refreshes: u64,
    /// All deliveries to peers, by outcome.
    outcomes: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Database {
    total_peers: usize,
    sources: BTreeMap<String, usize>,
    /// Unix seconds; `null` while no node has told its peers.
    last_dashd_refresh: Option<f64>,
    seconds_since_refresh: Option<u64>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Peers {
    /// Nodes of ours.
    protected: Vec<Connected>,
    /// All others that are connected, best first.
    active: Vec<Connected>,
    /// Those that are due first, the next one first.
    in_backoff: Vec<InBackoff>,
    /// How many there are in all.
    in_backoff_total: usize,
}

#[derive(Debug, Clone, Serialize)]
struct Connected {
    host: String,
    port: Option<u16>,
    protected: bool,
    /// Unix seconds.
    connected_since: f64,
    uptime_seconds: u64,
    score: u32,
    source: &'static str,
    successful_broadcasts: Option<u64>,
    failed_broadcasts: Option<u64>,
    /// Blocks of others that it announced to us; `null` once the book has dropped it.
    blocks_relayed: Option<u64>,
    /// Not measured: no transaction is asked for.
    txs_relayed: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
struct InBackoff {
    host: String,
    port: Option<u16>,
    backoff_remaining_seconds: u64,
    attempts: u32,
}

#[derive(Debug, Clone, Serialize)]
struct Configuration {
    max_peers: usize,
    min_peers: usize,
    /// `null`: a peer is dialled again and again, with pauses that grow.
    max_connection_attempts: Option<u64>,
    connection_timeout_seconds: u64,
    dashd_refresh_interval_seconds: u64,
}

/// All chains: the fields of one, summed up, and each by itself under its name.
#[derive(Debug, Serialize)]
struct Sum {
    #[serde(flatten)]
    sum: Status,
    chains: BTreeMap<String, Status>,
}

pub(super) async fn all(shared: Data<Shared>) -> HttpResponse {
    let of_chain = |chain: &std::sync::Arc<ChainHandle>| (chain.name().to_owned(), status(&shared, chain));
    let chains: BTreeMap<_, _> = shared.engine.chains().iter().map(of_chain).collect();
    HttpResponse::Ok().json(Sum { sum: sum(chains.values()), chains })
}

pub(super) async fn one(shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Problem> {
    let chain = super::chain(&shared, &name)?;
    Ok(HttpResponse::Ok().json(status(&shared, chain)))
}

fn status(shared: &Shared, chain: &ChainHandle) -> Status {
    let settings = &chain.config.peers;
    let (ready, book) = (chain.relay.ready_peers(), chain.book());
    let connected = |own: bool| {
        let of_kind = ready.iter().filter(|peer| peer.kind.is_own() == own);
        of_kind.map(|peer| connected(peer, &book)).collect::<Vec<_>>()
    };
    let waiting: Vec<_> = book.iter().filter(|entry| is_in_backoff(entry)).map(in_backoff).collect();
    let peers = Peers {
        protected: connected(true),
        active: connected(false),
        in_backoff_total: waiting.len(),
        in_backoff: next_due(waiting),
    };
    let nodes = chain.relay.nodes();
    let nodes_up = nodes.iter().filter(|node| node.status().health == NodeHealth::Up).count();
    let enough_peers = !settings.enabled || peers.active.len() >= settings.min;
    let health = Health {
        active_connections: peers.active.len(),
        protected_connections: peers.protected.len(),
        total_connections: ready.len(),
        target_max_peers: settings.max,
        target_min_peers: settings.min,
        healthy: nodes_up == nodes.len() && enough_peers,
        local_dashd_connected: !peers.protected.is_empty(),
        nodes_up,
        nodes_total: nodes.len(),
    };
    Status {
        enabled: settings.enabled,
        bootstrapped: !book.is_empty(),
        health,
        statistics: statistics(shared, chain),
        database: database(chain, &book),
        peers,
        configuration: Configuration {
            max_peers: settings.max,
            min_peers: settings.min,
            max_connection_attempts: None,
            connection_timeout_seconds: settings.connect_timeout.as_secs(),
            dashd_refresh_interval_seconds: engine::REFRESH.0.as_secs(),
        },
    }
}

fn connected(peer: &Peer, book: &[BookEntry]) -> Connected {
    let (host, port) = host_and_port(&peer.address);
    let entry = book.iter().find(|entry| entry.address == peer.address);
    let uptime = peer.since.elapsed();
    Connected {
        host,
        port,
        protected: peer.kind.is_own(),
        connected_since: unix_seconds(SystemTime::now().checked_sub(uptime).unwrap_or(UNIX_EPOCH)),
        uptime_seconds: uptime.as_secs(),
        score: peer.score(),
        source: peer.kind.as_str(),
        successful_broadcasts: entry.map(|entry| entry.deliveries),
        failed_broadcasts: entry.map(|entry| entry.failures),
        blocks_relayed: entry.map(|entry| entry.announced),
        txs_relayed: None,
    }
}

fn in_backoff(entry: &BookEntry) -> InBackoff {
    let (host, port) = host_and_port(&entry.address);
    InBackoff {
        host,
        port,
        backoff_remaining_seconds: entry.backoff_seconds.ceil() as u64,
        attempts: entry.failures_in_a_row,
    }
}

/// The few that are due first, the next one first.
fn next_due(mut waiting: Vec<InBackoff>) -> Vec<InBackoff> {
    waiting.sort_by_key(|peer| peer.backoff_remaining_seconds);
    waiting.truncate(LISTED_IN_BACKOFF);
    waiting
}

fn statistics(shared: &Shared, chain: &ChainHandle) -> Statistics {
    let counts = Counts::of(shared.engine.metrics().registry(), chain.name());
    let dials = chain.dials();
    let total = counts.outcomes.iter().filter(|(outcome, _)| *outcome != "withheld").map(|(_, n)| n).sum();
    let successful = counts.with(&SUCCESSFUL);
    Statistics {
        blocks_broadcast: counts.blocks,
        total_peer_broadcasts: total,
        successful_broadcasts: successful,
        failed_broadcasts: counts.with(&FAILED),
        success_rate_percent: percent(successful, total),
        connection_attempts: dials.attempts,
        successful_connections: dials.successes,
        failed_connections: dials.timeouts + dials.refused + dials.failed,
        timeouts: dials.timeouts,
        refused: dials.refused,
        dashd_refreshes: dials.refreshes,
        outcomes: counts.outcomes,
    }
}

fn database(chain: &ChainHandle, book: &[BookEntry]) -> Database {
    let mut sources = BTreeMap::new();
    for entry in book {
        *sources.entry(entry.source.to_owned()).or_default() += 1;
    }
    let refreshed = chain.dials().refreshed_at;
    let since = |at: SystemTime| SystemTime::now().duration_since(at).unwrap_or(Duration::ZERO).as_secs();
    Database {
        total_peers: book.len(),
        sources,
        last_dashd_refresh: refreshed.map(unix_seconds),
        seconds_since_refresh: refreshed.map(since),
    }
}

/// The sum over chains: counts are added, of times the latest and of limits of time the longest is taken, and all is well
/// only where all is well.
fn sum<'a>(chains: impl Iterator<Item = &'a Status> + Clone) -> Status {
    let total = |count: fn(&Status) -> u64| chains.clone().map(count).sum::<u64>();
    let size = |count: fn(&Status) -> usize| chains.clone().map(count).sum::<usize>();
    let (mut sources, mut outcomes, mut peers) = (BTreeMap::new(), BTreeMap::new(), Peers::default());
    for chain in chains.clone() {
        for (source, count) in &chain.database.sources {
            *sources.entry(source.clone()).or_default() += count;
        }
        for (outcome, count) in &chain.statistics.outcomes {
            *outcomes.entry(outcome.clone()).or_default() += count;
        }
        peers.protected.extend_from_slice(&chain.peers.protected);
        peers.active.extend_from_slice(&chain.peers.active);
        peers.in_backoff.extend_from_slice(&chain.peers.in_backoff);
        peers.in_backoff_total += chain.peers.in_backoff_total;
    }
    peers.in_backoff = next_due(peers.in_backoff);
    let all = |holds: fn(&Status) -> bool| chains.clone().all(holds);
    let successful = total(|chain| chain.statistics.successful_broadcasts);
    let broadcasts = total(|chain| chain.statistics.total_peer_broadcasts);
    let refreshes = chains.clone().filter_map(|chain| chain.database.last_dashd_refresh);
    Status {
        enabled: chains.clone().any(|chain| chain.enabled),
        bootstrapped: all(|chain| chain.bootstrapped),
        health: Health {
            active_connections: size(|chain| chain.health.active_connections),
            protected_connections: size(|chain| chain.health.protected_connections),
            total_connections: size(|chain| chain.health.total_connections),
            target_max_peers: size(|chain| chain.health.target_max_peers),
            target_min_peers: size(|chain| chain.health.target_min_peers),
            healthy: all(|chain| chain.health.healthy),
            local_dashd_connected: all(|chain| chain.health.local_dashd_connected),
            nodes_up: size(|chain| chain.health.nodes_up),
            nodes_total: size(|chain| chain.health.nodes_total),
        },
        statistics: Statistics {
            blocks_broadcast: total(|chain| chain.statistics.blocks_broadcast),
            total_peer_broadcasts: broadcasts,
            successful_broadcasts: successful,
            failed_broadcasts: total(|chain| chain.statistics.failed_broadcasts),
            success_rate_percent: percent(successful, broadcasts),
            connection_attempts: total(|chain| chain.statistics.connection_attempts),
            successful_connections: total(|chain| chain.statistics.successful_connections),
            failed_connections: total(|chain| chain.statistics.failed_connections),
            timeouts: total(|chain| chain.statistics.timeouts),
            refused: total(|chain| chain.statistics.refused),
            dashd_refreshes: total(|chain| chain.statistics.dashd_refreshes),
            outcomes,
        },
        database: Database {
            total_peers: size(|chain| chain.database.total_peers),
            sources,
            last_dashd_refresh: refreshes.reduce(f64::max),
            seconds_since_refresh: chains
                .clone()
                .filter_map(|chain| chain.database.seconds_since_refresh)
                .min(),
        },
        peers,
        configuration: Configuration {
            max_peers: size(|chain| chain.configuration.max_peers),
            min_peers: size(|chain| chain.configuration.min_peers),
            max_connection_attempts: None,
            connection_timeout_seconds: chains
                .clone()
                .map(|chain| chain.configuration.connection_timeout_seconds)
                .max()
                .unwrap_or_default(),
            dashd_refresh_interval_seconds: engine::REFRESH.0.as_secs(),
        },
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// `host:port` apart; an IPv6 address loses its brackets, as p2pool writes it.
fn host_and_port(address: &str) -> (String, Option<u16>) {
    match address.rsplit_once(':') {
        Some((host, port)) => {
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            (host.to_owned(), port.parse().ok())
        }
        None => (address.to_owned(), None),
    }
}

fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        assert_eq!(host_and_port("203.0.113.5:9333"), ("203.0.113.5".into(), Some(9333)));
        assert_eq!(host_and_port("[2001:db8::1]:9333"), ("2001:db8::1".into(), Some(9333)));
        assert_eq!(host_and_port("node.example:1"), ("node.example".into(), Some(1)));
        assert_eq!(host_and_port("odd"), ("odd".into(), None));
    }

    #[test]
    fn of_many_in_backoff_those_are_listed_that_are_due_first() {
        let waiting = |seconds: u64| InBackoff {
            host: "203.0.113.5".into(),
            port: Some(9333),
            backoff_remaining_seconds: seconds,
            attempts: 1,
        };
        let listed = next_due((1..=500).rev().map(waiting).collect());
        let seconds: Vec<_> = listed.iter().map(|peer| peer.backoff_remaining_seconds).collect();
        assert_eq!(seconds, (1..=LISTED_IN_BACKOFF as u64).collect::<Vec<_>>());
    }

    #[test]
    fn no_broadcast_is_no_success() {
        assert_eq!(percent(0, 0), 0.0);
        assert_eq!(percent(1, 4), 25.0);
    }
}
