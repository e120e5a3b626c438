//! The book as a file: `broadcast_peers.json`, in the shape that p2pool's operators know, with our fields added.
//!
//! A file of p2pool's own is read, too. What it says of successes is not believed: there a broadcast succeeds when it is
//! queued.
//!
//! ```json
//! {
//!   "version": "1.0", "last_updated": 1764374400.0, "bootstrapped": true, "local_dashd": "127.0.0.1:9999",
//!   "peers": {
//!     "8.8.8.8:9999": {
//!       "score": 120, "first_seen": 1764288000.0, "last_seen": 1764374000.0, "source": "node", "protected": false,
//!       "successful_broadcasts": 2, "failed_broadcasts": 0, "ping_ms": 41.5, "outbound": true, "blocks_relayed": 7,
//!       "txs_relayed": 0, "record": { "…": "what the score is made of, and when to dial again" }
//!     }
//!   },
//!   "format": 1, "chain": "dash mainnet", "anchors": ["8.8.8.8:9999"], "bans": { "203.0.113.7": 1764460800.0 }
//! }
//! ```

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    Address, Entry, Heard, Kind, PeerBook, Score, Source, State,
    buckets::{Buckets, Place},
    promise::LEAD_MOST,
    score::{Average, Fading, LONG_MEMORY},
};

/// The newest form that is read, and the one that is written.
const FORMAT: u32 = 1;

/// How many of those who are connected are named to be dialled first by the next run.
const ANCHORS: usize = 8;

/// How far above its start a score of p2pool's is believed: it is mostly made of broadcasts that were queued.
const CREDIT: f64 = 50.0;

/// What p2pool writes for `version`; programs that read its file may look for it.
const P2POOL_VERSION: &str = "1.0";

/// A book that has been read, or is to be written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BookFile {
    #[serde(default)]
    version: serde_json::Value,
    /// Unix seconds.
    #[serde(default)]
    last_updated: f64,
    #[serde(default)]
    bootstrapped: bool,
    /// Our node as a peer, in p2pool's word.
    #[serde(default)]
    local_dashd: Option<String>,
    /// By `host:port`.
    peers: BTreeMap<String, PeerRecord>,
    /// Ours; p2pool's own files have none.
    #[serde(default)]
    format: Option<u32>,
    /// Which chain and network it is of.
    #[serde(default)]
    chain: Option<String>,
    /// Whom to dial first.
    #[serde(default)]
    anchors: Vec<String>,
    /// Hosts that are not dialled, and until when, Unix seconds.
    #[serde(default)]
    bans: BTreeMap<String, f64>,
    /// What the places of strangers depend on; with another they would not all find one. It is nobody's business.
    #[serde(default)]
    key: Option<u64>,
}

/// One peer. Of what p2pool writes nothing is required.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct PeerRecord {
    score: f64,
    first_seen: f64,
    last_seen: f64,
    source: String,
    protected: bool,
    successful_broadcasts: u64,
    failed_broadcasts: u64,
    ping_ms: Option<f64>,
    outbound: bool,
    blocks_relayed: u64,
    txs_relayed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Box<Record>>,
}

/// What p2pool's schema has no place for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    services: u64,
    /// Unix seconds.
    named_by_node: f64,
    heard_from: Option<String>,
    /// Whether we were ever connected to it.
    tried: bool,
    /// Which of the places it has that it may have.
    place: Option<usize>,
    earned: f64,
    lost: f64,
    taken: f64,
    refused: f64,
    handshake_ms: Option<(f64, f64)>,
    ping_ms: Option<(f64, f64)>,
    delivery_ms: Option<(f64, f64)>,
    early: Option<(f64, f64)>,
    lead_ms: Option<(f64, f64)>,
    uptime_seconds: f64,
    announced_first: u64,
    hung_up_after_block: u64,
    failures_in_a_row: u32,
    strikes: u32,
    /// Unix seconds.
    struck: f64,
    /// When it may be dialled again, Unix seconds.
    due: f64,
}

/// Why a file is no book of ours.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is cut or damaged.
    #[error("it is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// A newer version of Blockcast wrote it.
    #[error("it has format {0}, and this version reads up to {FORMAT}")]
    TooNew(u32),
    /// It belongs to another chain.
    #[error("it is of {found}, and not of {expected}")]
    OtherChain {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
}

/// What became of a file's entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many are in the book now.
    pub peers: usize,
    /// How many could not be read, cannot be dialled, or found no place.
    pub left_out: usize,
    /// Whether p2pool wrote it.
    pub from_p2pool: bool,
}

impl BookFile {
    /// Reads a file of ours, or one of p2pool's.
    ///
    /// # Errors
    /// When it is damaged, newer than this program, or another chain's.
    pub fn parse(text: &[u8], chain: &str) -> Result<Self, FileError> {
        // What a later version may have changed is not to be mistaken for damage.
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            format: Option<u32>,
        }
        let head: Head = serde_json::from_slice(text)?;
        if let Some(format) = head.format.filter(|format| *format > FORMAT) {
            return Err(FileError::TooNew(format));
        }
        let file: Self = serde_json::from_slice(text)?;
        match &file.chain {
            Some(found) if found != chain => {
                Err(FileError::OtherChain { found: found.clone(), expected: chain.to_owned() })
            }
            _ => Ok(file),
        }
    }

    /// As it is written.
    pub fn to_json(&self) -> Vec<u8> {
        // Numbers, texts and maps with text keys: nothing that JSON cannot write.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// How many peers it has.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }
}

impl PeerBook {
    /// The book as it is now, to be written.
    pub fn to_file(&self, chain: &str, now: Instant) -> BookFile {
        let own = self.own.first().map(ToString::to_string);
        BookFile {
            version: P2POOL_VERSION.into(),
            last_updated: self.unix(now),
            bootstrapped: !self.entries.is_empty(),
            local_dashd: own,
            peers: self
                .entries
                .iter()
                .map(|(at, entry)| (at.to_string(), self.record(at, entry, now)))
                .collect(),
            format: Some(FORMAT),
            chain: Some(chain.to_owned()),
            anchors: self.anchors_now(now),
            bans: self.bans(now).map(|(host, until)| (host.to_owned(), until)).collect(),
            key: Some(self.buckets.key()),
        }
    }

    /// Strangers that are connected and have had blocks of ours, the best last; where there are too few, those that are
    /// just connected.
    fn anchors_now(&self, now: Instant) -> Vec<String> {
        let connected = self.busy.iter().filter_map(|address| self.entries.get_key_value(address));
        let strangers = connected.filter(|(_, entry)| {
            entry.state == State::Connected && !entry.kind.is_own() && !entry.kind.is_fixed()
        });
        let mut strangers: Vec<_> = strangers.collect();
        strangers.sort_by_key(|(_, entry)| (entry.is_proven(), !entry.on_trial, entry.score(now)));
        let from = strangers.len().saturating_sub(ANCHORS);
        strangers[from..].iter().map(|(address, _)| address.to_string()).collect()
    }

    fn record(&self, address: &Address, entry: &Entry, now: Instant) -> PeerRecord {
        let places = self.buckets.new_places(address, entry.heard_from.as_ref());
        let record = &entry.record;
        let mean = |average: Option<Average>| average.map(|average| (average.value, average.count));
        let wait = entry.due.saturating_duration_since(now).as_secs_f64();
        PeerRecord {
            score: f64::from(entry.score(now)),
            first_seen: entry.first_seen,
            last_seen: entry.last_seen,
            source: entry.kind.as_str().to_owned(),
            protected: entry.kind.is_own(),
            successful_broadcasts: entry.deliveries,
            failed_broadcasts: entry.failures,
            ping_ms: entry.ping_ms(),
            outbound: true,
            blocks_relayed: record.announced,
            txs_relayed: 0,
            record: Some(Box::new(Record {
                services: entry.services,
                named_by_node: entry.named_by_node,
                heard_from: entry.heard_from.as_ref().map(ToString::to_string),
                tried: entry.was_connected() || !entry.uptime(now).is_zero(),
                place: places.iter().position(|place| *place == entry.place),
                earned: record.earned.at(now),
                lost: record.lost.at(now),
                taken: record.taken.at(now),
                refused: record.refused.at(now),
                handshake_ms: mean(record.handshake),
                ping_ms: mean(record.ping),
                delivery_ms: mean(record.delivery),
                early: mean(record.early),
                lead_ms: mean(record.lead),
                uptime_seconds: entry.uptime(now).as_secs_f64(),
                announced_first: record.announced_first,
                hung_up_after_block: record.hung_up_after_block,
                failures_in_a_row: entry.failures_in_a_row(),
                strikes: entry.strikes,
                struck: entry.struck,
                due: self.unix(now) + wait,
            })),
        }
    }

    /// Takes over what a file has; `labels` are those of the chain's own source of peers. Who is in the book already keeps
    /// its kind. What was earned and measured has faded since the file was written.
    pub fn restore(&mut self, file: &BookFile, labels: &[&'static str], now: Instant) -> Restored {
        let unix = self.unix(now);
        let away = Duration::from_secs_f64(sane(unix - file.last_updated, 0.0, 365.0 * 86_400.0));
        let faded = 0.5f64.powf(away.as_secs_f64() / Score::HALF_LIFE.as_secs_f64());
        if let Some(key) =
            file.key.filter(|_| self.entries.values().all(|entry| entry.place == Place::Reserved))
        {
            self.buckets = Buckets::new(key);
        }
        let from_p2pool = file.format.is_none();
        let mut restored = Restored { from_p2pool, ..Restored::default() };
        // Who was connected before gets its place first.
        let tried = |record: &PeerRecord| record.record.as_ref().is_some_and(|record| record.tried);
        let mut peers: Vec<_> = file.peers.iter().filter(|(_, record)| !record.protected).collect();
        peers.sort_by_key(|(_, record)| !tried(record));
        for (address, record) in peers {
            let taken =
                address.parse().is_ok_and(|address| self.take_over(address, record, faded, labels, now));
            *(if taken { &mut restored.peers } else { &mut restored.left_out }) += 1;
        }
        let known =
            |address: &String| address.parse().ok().filter(|address| self.entries.contains_key(address));
        self.anchors = file.anchors.iter().take(ANCHORS).filter_map(known).collect();
        let in_force = file.bans.iter().filter(|(_, until)| **until > unix);
        self.bans.extend(in_force.map(|(host, until)| (host.clone(), *until)));
        restored
    }

    fn take_over(
        &mut self,
        address: Address,
        peer: &PeerRecord,
        faded: f64,
        labels: &[&'static str],
        now: Instant,
    ) -> bool {
        let unix = self.unix(now);
        let kind = kind_of(&peer.source, labels);
        let ours = peer.record.as_ref();
        let from = ours.and_then(|record| record.heard_from.as_ref()?.parse().ok());
        // A file names whom we know, and its times are no rumours.
        // Whom the configuration names may be anywhere; it is known already.
        let is_known = self.entries.contains_key(&address);
        let heard = Heard { from, ..Heard::of(address.clone(), kind) };
        if !is_known && !self.hear_at(heard, ours.and_then(|record| record.place), now) {
            return false;
        }
        let Some(entry) = self.entries.get_mut(&address) else { return false };
        entry.first_seen = sane(peer.first_seen, 0.0, unix);
        entry.last_seen = sane(peer.last_seen, 0.0, unix);
        entry.failures = peer.failed_broadcasts;
        let fading = |value: f64| Fading::new(sane(value * faded, 0.0, Score::MAX), now);
        let mean = |mean: Option<(f64, f64)>, most: f64| {
            let mean = mean.filter(|(value, _)| (0.0..=most).contains(value));
            // It fades by counting for less.
            mean.map(|(value, count)| Average::new(value, sane(count * faded, 0.0, LONG_MEMORY), now))
        };
        let Some(ours) = ours else {
            entry.failures = 0;
            entry.record.earned = fading((peer.score - entry.kind.start()).min(CREDIT));
            return true;
        };
        entry.deliveries = peer.successful_broadcasts;
        entry.services = ours.services;
        entry.named_by_node = entry.named_by_node.max(sane(ours.named_by_node, 0.0, unix));
        let record = &mut entry.record;
        (record.earned, record.lost) = (fading(ours.earned), fading(ours.lost));
        (record.taken, record.refused) = (fading(ours.taken), fading(ours.refused));
        const DAY: f64 = 86_400_000.0;
        (record.handshake, record.ping) = (mean(ours.handshake_ms, DAY), mean(ours.ping_ms, DAY));
        (record.delivery, record.early) = (mean(ours.delivery_ms, DAY), mean(ours.early, 1.0));
        record.lead = mean(ours.lead_ms, LEAD_MOST.as_secs_f64() * 1e3);
        record.uptime = Duration::from_secs_f64(sane(ours.uptime_seconds, 0.0, 1e9));
        (record.announced, record.announced_first) = (peer.blocks_relayed, ours.announced_first);
        record.hung_up_after_block = ours.hung_up_after_block;
        entry.backoff = entry.kind.backoff().after(ours.failures_in_a_row.min(64));
        (entry.strikes, entry.struck) = (ours.strikes, sane(ours.struck, 0.0, unix));
        // Nobody is left alone for longer than any backoff.
        entry.due = now + Duration::from_secs_f64(sane(ours.due - unix, 0.0, 3600.0));
        let is_new = matches!(entry.place, Place::New { .. });
        if ours.tried && is_new {
            self.settle(&address);
        }
        true
    }
}

/// A number from a file, within limits; what is no number is the least.
fn sane(value: f64, least: f64, most: f64) -> f64 {
    if value.is_nan() { least } else { value.clamp(least, most.max(least)) }
}

/// What a source means, in our words and in those of p2pool's programs. Whom the operator had named is one whom our node
/// might have named.
fn kind_of(source: &str, labels: &[&'static str]) -> Kind {
    if let Some(label) = labels.iter().find(|label| **label == source) {
        return Kind::preferred(labels, label);
    }
    match source {
        "node" | "fixed" | "own" | "dashd" | "coind" | "litecoind" | "dogecoind" | "daemon" => {
            Kind::Discovered(Source::Node)
        }
        "dns" => Kind::Discovered(Source::Dns),
        "seed" => Kind::Discovered(Source::Seed),
        _ => Kind::Discovered(Source::Gossip),
    }
}
