//! The engine as a contestant: a whole relay, with sessions, lanes, journal and account of everything.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use bytes::Bytes;
use chain::Chain;
use journal::Journal;
use protocol::book::Kind;
use relay::{
    Acknowledge, Delivery, Events, Facilities, Goal, Metrics, Node, PeerNotice, PeerSpec, Relay,
    RelaySettings, Source, Submission,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::{clock, rules};

/// How long anything may take that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A relay and its connections.
pub(crate) struct Engine {
    pub(crate) relay: Arc<Relay>,
    /// Its journal lives here.
    _directory: TempDir,
}

/// What a relay is made with whose blocks are measured.
pub(crate) fn settings(name: &str, acknowledge: Acknowledge) -> RelaySettings {
    RelaySettings {
        acknowledge,
        name: name.into(),
        observers: 0,
        dial_timeout: PATIENCE,
        gossip: false,
        proxy: None,
        user_agent: "/Figures:1/".into(),
        // What is measured is the way of our own blocks.
        pass_on_tips: false,
        confirmations: 6,
    }
}

/// When a delivery began, in nanoseconds of the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    /// The caller's bytes were handed in.
    pub(crate) received: u64,
    /// The canonical form was known.
    pub(crate) canonical: u64,
}

impl Engine {
    /// A relay without nodes and observers, connected to as many peers, all of them ready.
    pub(crate) async fn connect(addresses: &[SocketAddr]) -> anyhow::Result<Self> {
        let engine = Self::start("litecoin", Arc::new(rules()), Vec::new(), Acknowledge::First)?;
        let relay = &engine.relay;
        let (notices, mut heard) = mpsc::unbounded_channel();
        for address in addresses {
            let spec = PeerSpec {
                address: address.to_string(),
                kind: Kind::Discovered(protocol::book::Source::Node),
                score: 0,
            };
            let notices = notices.clone();
            relay.connect(spec, move |notice| {
                // Nobody listens any more once all are ready.
                drop(notices.send(notice));
            });
        }
        for _ in addresses {
            let notice = tokio::time::timeout(PATIENCE, heard.recv()).await.context("a peer is not ready")?;
            ensure!(matches!(notice, Some(PeerNotice::Ready)), "a peer is not ready: {notice:?}");
        }
        Ok(engine)
    }

    /// A relay with these nodes, and without peers.
    pub(crate) fn start(
        name: &str,
        chain: Arc<dyn Chain>,
        nodes: Vec<Arc<Node>>,
        acknowledge: Acknowledge,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (journal, _) = Journal::open(&directory.path().join("journal"))?;
        let settings = settings(name, acknowledge);
        let metrics = Metrics::new().chain(name);
        let facilities = Facilities { journal, ledger: None, metrics, events: Events::default() };
        let relay = Relay::start(settings, chain, nodes, facilities);
        Ok(Self { relay, _directory: directory })
    }

    /// Hands a block in.
    pub(crate) fn submit(&self, block: Bytes) -> Arc<Delivery> {
        self.relay.submit(Submission::own(Source::Rest, block))
    }

    /// Waits until every peer is proven to have the block, and says when its delivery began.
    pub(crate) async fn proven(&self, delivery: &Delivery, peers: usize) -> anyhow::Result<Begun> {
        ensure!(
            delivery.reached(Goal::Peers(peers), PATIENCE).await,
            "not every peer has the block: {:?}",
            delivery.report("litecoin")
        );
        // It waits for the inspection, which may be noted a moment after the last peer has answered.
        let finding = delivery.finding(PATIENCE).await;
        ensure!(finding.is_none(), "our own block is not sound: {finding:?}");
        let inspected = delivery.report("litecoin").inspected_ms.context("it was not inspected")?;
        let received = clock::of(delivery.received_at());
        Ok(Begun { received, canonical: received + (inspected * 1e6) as u64 })
    }
}
