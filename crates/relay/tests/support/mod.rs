//! A relay among scripted nodes and peers.

#![allow(dead_code, unused_imports, reason = "each test binary uses its part of it")]
#![allow(clippy::unwrap_used, reason = "a fault of the test's own machinery should fail the test")]

mod block;
mod composed;
mod node;
mod peer;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use chain::{Chain, Network};
use journal::Journal;
use ledger::Ledger;
use litecoin::Litecoin;
use protocol::book::{Kind, Priority};
use relay::{
    Acknowledge, Delivery, Ended, Events, Facilities, Metrics, Peer, PeerNotice, PeerReport, PeerSpec,
    Refusal, Relay, RelaySettings, Report, Source, Submission,
};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

pub(crate) use block::{Block, Recipe, chain, mine, on};
pub(crate) use composed::{Composed, clsig, inv, message};
pub(crate) use node::{FakeNode, Solved, Verdict, hex};
pub(crate) use peer::{FakePeer, Manner};

/// How long a test waits for something that should happen at once. Reaching it fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const STRANGER: Kind = Kind::Discovered(protocol::book::Source::Node);

/// A relay, with its journal in a directory that goes when the test does.
pub(crate) struct World {
    pub(crate) relay: Arc<Relay>,
    pub(crate) directory: TempDir,
    pub(crate) journal: Journal,
    registry: prometheus::Registry,
}

/// What a relay is usually made with.
pub(crate) fn settings() -> RelaySettings {
    RelaySettings {
        name: "litecoin".into(),
        acknowledge: Acknowledge::First,
        observers: 0,
        dial_timeout: Duration::from_secs(5),
        pass_on_tips: true,
        gossip: false,
        proxy: None,
        user_agent: "/Blockcast:test/".into(),
        confirmations: 3,
    }
}

impl World {
    /// A relay with these nodes and no observers. The nodes that answer have told it their chain.
    pub(crate) async fn new(nodes: &[&FakeNode]) -> Self {
        Self::with_observers(nodes, 0).await
    }

    pub(crate) async fn with_observers(nodes: &[&FakeNode], observers: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("journal");
        Self::with_journal(nodes, observers, directory, &journal).await
    }

    pub(crate) async fn with_journal(
        nodes: &[&FakeNode],
        observers: usize,
        directory: TempDir,
        journal: &Path,
    ) -> Self {
        let rules = Arc::new(Litecoin::new(Network::Regtest));
        let (journal, _) = Journal::open(journal).unwrap();
        Self::of(rules, nodes, observers, Acknowledge::First, true, directory, journal).await
    }

    /// A relay on a chain that makes blocks final by `clsig`, whose nodes issue aux work, and that is Litecoin otherwise.
    pub(crate) async fn composed(nodes: &[&FakeNode]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("journal");
        Self::composed_on(nodes, directory, &journal).await.0
    }

    /// The same with a journal that may hold something from before; it is replayed.
    pub(crate) async fn composed_on(
        nodes: &[&FakeNode],
        directory: TempDir,
        journal: &Path,
    ) -> (Self, usize) {
        let (opened, recovery) = Journal::open(journal).unwrap();
        let open = recovery.open.len();
        let rules = Arc::new(Composed::default());
        let world = Self::of(rules, nodes, 0, Acknowledge::First, true, directory, opened).await;
        recovery.open.into_iter().for_each(|entry| world.relay.replay(entry));
        (world, open)
    }

    /// The same, and its nodes are asked for locks.
    pub(crate) async fn with_locks(nodes: &[&FakeNode]) -> Self {
        let world = Self::composed(nodes).await;
        for node in world.relay.nodes() {
            tokio::spawn(world.relay.clone().watch_finality(node.clone()));
        }
        world
    }

    /// A relay that answers its callers by this rule.
    pub(crate) async fn acknowledging(nodes: &[&FakeNode], acknowledge: Acknowledge) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("journal");
        let rules = Arc::new(Litecoin::new(Network::Regtest));
        let (journal, _) = Journal::open(&journal).unwrap();
        Self::of(rules, nodes, 0, acknowledge, true, directory, journal).await
    }

    /// A relay that keeps new tips of others to itself.
    pub(crate) async fn secretive(nodes: &[&FakeNode]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rules = Arc::new(Litecoin::new(Network::Regtest));
        let (journal, _) = Journal::open(&directory.path().join("journal")).unwrap();
        Self::of(rules, nodes, 0, Acknowledge::First, false, directory, journal).await
    }

    async fn of(
        rules: Arc<dyn Chain>,
        nodes: &[&FakeNode],
        observers: usize,
        acknowledge: Acknowledge,
        pass_on_tips: bool,
        directory: TempDir,
        journal: Journal,
    ) -> Self {
        let settings = RelaySettings { acknowledge, observers, pass_on_tips, ..settings() };
        Self::start(rules, nodes, settings, directory, journal).await
    }

    /// A relay with other settings than the usual.
    pub(crate) async fn with_settings(nodes: &[&FakeNode], settings: RelaySettings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(&directory.path().join("journal")).unwrap();
        Self::start(Arc::new(Litecoin::new(Network::Regtest)), nodes, settings, directory, journal).await
    }

    /// A relay that writes its history down in this directory.
    pub(crate) async fn with_ledger(nodes: &[&FakeNode], directory: TempDir) -> (Self, Ledger) {
        let (journal, recovery) = Journal::open(&directory.path().join("journal")).unwrap();
        assert!(recovery.open.is_empty(), "the journal has let go of everything");
        let ledger = Ledger::open(ledger::Settings {
            path: directory.path().join("ledger.sqlite"),
            keep: Duration::from_secs(365 * 24 * 3600),
            max_bytes: 1_000_000_000,
            raw_blocks: 100,
        });
        let rules = Arc::new(Litecoin::new(Network::Regtest));
        let world = Self::assemble(rules, nodes, settings(), directory, journal, Some(ledger.clone())).await;
        (world, ledger)
    }

    async fn start(
        rules: Arc<dyn Chain>,
        nodes: &[&FakeNode],
        settings: RelaySettings,
        directory: TempDir,
        journal: Journal,
    ) -> Self {
        Self::assemble(rules, nodes, settings, directory, journal, None).await
    }

    async fn assemble(
        rules: Arc<dyn Chain>,
        nodes: &[&FakeNode],
        settings: RelaySettings,
        directory: TempDir,
        journal: Journal,
        ledger: Option<Ledger>,
    ) -> Self {
        let nodes: Vec<_> = nodes.iter().map(|node| node.node.clone()).collect();
        let metrics = Metrics::new();
        let registry = metrics.registry().clone();
        let metrics = metrics.chain("litecoin");
        let facilities = Facilities { journal: journal.clone(), ledger, metrics, events: Events::default() };
        let relay = Relay::start(settings, rules, nodes, facilities);
        let world = Self { relay, directory, journal, registry };
        for node in world.relay.nodes() {
            world.relay.poll_node(node).await;
        }
        world
    }

    /// Connects to a peer and waits for the handshake.
    pub(crate) async fn connect(&self, peer: &FakePeer, kind: Kind) -> Arc<Peer> {
        self.connect_and_listen(peer, kind).await.0
    }

    /// The same, with what is told of the peer from then on.
    pub(crate) async fn connect_and_listen(
        &self,
        peer: &FakePeer,
        kind: Kind,
    ) -> (Arc<Peer>, mpsc::UnboundedReceiver<PeerNotice>) {
        let (notices, mut inbox) = mpsc::unbounded_channel();
        let spec = PeerSpec { address: peer.address.clone(), kind, score: 100 };
        // The test may be over before the connection is.
        let connected = self.relay.connect(spec, move |notice| drop(notices.send(notice)));
        let first = timeout(PATIENCE, inbox.recv()).await.expect("a handshake in time");
        assert!(matches!(first, Some(PeerNotice::Ready)), "{first:?}");
        (connected, inbox)
    }

    /// Connects to a peer that is not kept, and says why.
    pub(crate) async fn refused(&self, address: String, kind: Kind) -> Refusal {
        let (notices, mut inbox) = mpsc::unbounded_channel();
        let spec = PeerSpec { address, kind, score: 100 };
        self.relay.connect(spec, move |notice| drop(notices.send(notice)));
        let first = timeout(PATIENCE, inbox.recv()).await.expect("an end in time");
        match &first {
            Some(PeerNotice::Ended(ended)) => match &**ended {
                Ended::Refused(refusal) => refusal.clone(),
                other => panic!("{other}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Connects to peers of this manner that claim this height.
    pub(crate) async fn peers(&self, count: usize, manner: Manner, height: i32) -> Vec<FakePeer> {
        let mut peers = Vec::new();
        for _ in 0..count {
            let peer = FakePeer::start(manner.clone(), height).await;
            self.connect(&peer, STRANGER).await;
            peers.push(peer);
        }
        peers
    }

    /// Asks every node where it is, as the engine does once a second.
    pub(crate) async fn poll(&self) {
        for node in self.relay.nodes() {
            self.relay.poll_node(node).await;
        }
    }

    /// A counter's values, by their labels but the chain's: `from=… to=…`.
    pub(crate) fn counted(&self, name: &str) -> Vec<(String, u64)> {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == format!("blockcast_{name}"));
        let metrics = family.into_iter().flat_map(|family| family.get_metric());
        let labels = |metric: &prometheus::proto::Metric| {
            let own = metric.get_label().iter().filter(|label| label.name() != "chain");
            own.map(|label| format!("{}={}", label.name(), label.value())).collect::<Vec<_>>().join(" ")
        };
        metrics.map(|metric| (labels(metric), metric.get_counter().get_value() as u64)).collect()
    }

    pub(crate) fn submit(&self, bytes: &Bytes) -> Arc<Delivery> {
        self.relay.submit(Submission::own(Source::Rest, bytes.clone()))
    }
}

/// Waits until a delivery's report is as it should be, and gives it.
pub(crate) async fn report(delivery: &Delivery, holds: impl Fn(&Report) -> bool) -> Report {
    let waiting = async {
        loop {
            let report = delivery.report("litecoin");
            if holds(&report) {
                return report;
            }
            // Nothing outside of the relay is told of each change; so look again and again.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    match timeout(PATIENCE, waiting).await {
        Ok(report) => report,
        Err(_) => panic!("it stays at {:#?}", delivery.report("litecoin")),
    }
}

/// Waits until every peer's delivery has an outcome and every node's a judgement.
pub(crate) async fn settled(delivery: &Delivery) -> Report {
    report(delivery, |report| {
        let nodes = report.nodes.iter().all(|node| node.judgement.is_some());
        let peers = report.peers.iter().all(|peer| peer.outcome.is_some());
        report.inspected_ms.is_some() && report.durable.is_some() && nodes && peers
    })
    .await
}

/// What became of a block at a peer.
pub(crate) fn at<'a>(report: &'a Report, peer: &str) -> &'a PeerReport {
    let found = report.peers.iter().find(|entry| entry.peer == peer);
    found.unwrap_or_else(|| panic!("nothing about {peer} in {:#?}", report.peers))
}

/// The outcome at a peer, if there is one.
pub(crate) fn outcome<'a>(report: &'a Report, peer: &FakePeer) -> Option<&'a str> {
    let found = report.peers.iter().find(|entry| entry.peer == peer.address);
    found.and_then(|entry| entry.outcome.as_deref())
}
