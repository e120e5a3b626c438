//! The relay of one chain: what it holds, and how a submission begins.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use chain::{Chain, Finding, IndexedBlock, Inspection};
use futures_util::FutureExt as _;
use journal::{Entry, Journal, Key, NotDurable};
use ledger::Ledger;
use parking_lot::Mutex;
use protocol::{
    book::Source as PeerSource,
    dedup::{Digest, Recent},
    delivery::WithheldReason,
    finality::Locks,
    headers::HeaderView,
    issuers::Issuers,
    sightings::Sightings,
};
use rpc::SubmitRequest;
use serde_json::json;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{BlockHash, Header, sha256d};

use crate::{
    Acknowledge, AuxDelivery, ChainMetrics, Delivery, Events, Node, Submission,
    aux::REMEMBERED_WORK,
    delivery::{JournalState, State},
    follow::FollowedBlocks,
    peers::{LastHeard, PeerTable},
    proxy::ProxyState,
    shelf::Shelved,
    tips::Others,
};

/// How many submissions are remembered, so that a repeat joins its delivery.
const REMEMBERED: usize = 256;

/// How many of our blocks are held to be served, at most.
const SHELF: usize = 64;

/// How long the inspection of a block waits for the nodes to have it, while no peer is there to be sent to.
const NODES_FIRST: Duration = Duration::from_millis(10);

/// How many bytes the caller's thread writes to the nodes' sockets itself, which takes it some half a millisecond.
const AT_ONCE: usize = 3 << 20;

/// How long the journal waits for the nodes' requests to be written to their sockets. Those to healthy nodes nearby are
/// within a fraction of it; what a node then needs for its verdict is longer than what the disk needs.
const JOURNAL_AFTER: Duration = Duration::from_millis(2);

/// What a relay is made with.
#[derive(Debug, Clone)]
pub struct RelaySettings {
    /// The chain's configured name: label, report, journal.
    pub name: String,
    /// Whose word a caller is answered with.
    pub acknowledge: Acknowledge,
    /// How many peers are never pushed to.
    pub observers: usize,
    /// How long a TCP connection may take to be made, through a proxy all the way to the peer. The handshake has a limit of
    /// its own.
    pub dial_timeout: Duration,
    /// Whether to ask every peer, our own nodes included, for the addresses of others.
    pub gossip: bool,
    /// Through what to connect to peers. Our own nodes are connected to directly: they are near, and no stranger is to
    /// see what passes between us.
    pub proxy: Option<net::Proxy>,
    /// What we call ourselves to peers.
    pub user_agent: String,
    /// Whether peers are told of new blocks of others.
    pub pass_on_tips: bool,
    /// How deep a block, or its rival, has to be in the active chain for the chain's last word; 1 is the tip.
    pub confirmations: u32,
}

/// What all chains of a process share, or have a part of.
#[derive(Debug, Clone)]
pub struct Facilities {
    /// Where open blocks are kept.
    pub journal: Journal,
    /// Where history is kept, if it is.
    pub ledger: Option<Ledger>,
    /// What is counted of this chain.
    pub metrics: ChainMetrics,
    /// Who is told what happens.
    pub events: Events,
}

/// The relay of one chain. Cheap to share; see the crate's front page.
#[derive(Debug)]
pub struct Relay {
    pub(crate) settings: RelaySettings,
    pub(crate) chain: Arc<dyn Chain>,
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) journal: Journal,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) metrics: ChainMetrics,
    pub(crate) events: Events,
    pub(crate) peers: PeerTable,
    pub(crate) heard: LastHeard,
    pub(crate) headers: Mutex<HeaderView>,
    pub(crate) recent: Mutex<Recent<Arc<Delivery>>>,
    /// Deliveries that may still change, oldest first.
    pub(crate) live: Mutex<Vec<Arc<Delivery>>>,
    pub(crate) shelf: Mutex<Shelved>,
    /// Blocks that are not ours.
    pub(crate) others: Others,
    /// When they were heard of.
    pub(crate) sightings: Mutex<Sightings>,
    /// Our blocks whose fate is not settled for good.
    pub(crate) followed: FollowedBlocks,
    pub(crate) locks: Mutex<Locks>,
    /// Counts the reasons to ask our nodes for a new lock, for those who do.
    pub(crate) lock_hints: watch::Sender<u64>,
    pub(crate) issuers: Mutex<Issuers>,
    /// Solved work on its way, or just arrived; the oldest go first.
    pub(crate) solutions: Mutex<VecDeque<Arc<AuxDelivery>>>,
    /// Strangers' headers are checked for work two at a time, so that they do not keep our own block waiting.
    pub(crate) work_checks: Semaphore,
    pub(crate) proxy: ProxyState,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Relay {
    /// A relay for a chain, with its nodes. Its housekeeping begins at once, on the current tokio runtime.
    pub fn start(
        settings: RelaySettings,
        chain: Arc<dyn Chain>,
        nodes: Vec<Arc<Node>>,
        facilities: Facilities,
    ) -> Arc<Self> {
        let Facilities { journal, ledger, metrics, events } = facilities;
        let relay = Arc::new(Self {
            peers: PeerTable::new(settings.observers),
            heard: LastHeard::default(),
            settings,
            chain,
            nodes,
            journal,
            ledger,
            metrics,
            events,
            headers: Mutex::new(HeaderView::new()),
            recent: Mutex::new(Recent::new(REMEMBERED)),
            live: Mutex::default(),
            shelf: Mutex::new(Shelved::of(SHELF)),
            others: Others::new(Instant::now()),
            sightings: Mutex::default(),
            followed: Mutex::default(),
            locks: Mutex::default(),
            issuers: Mutex::new(Issuers::new(REMEMBERED_WORK)),
            solutions: Mutex::default(),
            lock_hints: watch::Sender::new(0),
            work_checks: Semaphore::new(2),
            proxy: ProxyState::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        relay.spawn(relay.clone().upkeep());
        relay.spawn(relay.clone().resume());
        relay
    }

    /// The chain's configured name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The chain's rules.
    pub fn chain(&self) -> &Arc<dyn Chain> {
        &self.chain
    }

    /// Every word that a peer's kind may be: those that all chains have, and those of the chain's own source of peers.
    pub fn peer_kinds(&self) -> impl Iterator<Item = &'static str> {
        let own = self.chain.peer_source().map_or(&[][..], |source| source.labels());
        ["own", "fixed"].into_iter().chain(PeerSource::ALL.map(PeerSource::as_str)).chain(own.iter().copied())
    }

    /// Whether any peer was heard of in that time: then there is a network, and who cannot be reached is to blame for it.
    pub fn has_heard_within(&self, time: Duration) -> bool {
        self.heard.is_within(time)
    }

    /// Our own nodes.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// Whether a block is one of ours on its way, or in the chain that our nodes have.
    pub fn knows(&self, block: &BlockHash) -> bool {
        self.headers.lock().contains(block) || self.live().iter().any(|delivery| delivery.block() == *block)
    }

    /// The chain's metrics.
    pub fn metrics(&self) -> &ChainMetrics {
        &self.metrics
    }

    /// The tip of the header view, with its height.
    pub fn tip(&self) -> Option<(BlockHash, u32)> {
        let headers = self.headers.lock();
        Some((headers.tip()?, headers.tip_height()?))
    }

    /// Whether a block is on its way to peers that have not answered yet.
    pub fn is_delivering(&self) -> bool {
        self.live().iter().any(|delivery| !delivery.read(State::is_answered_by_peers))
    }

    /// Deliveries that may still change, oldest first.
    pub fn live(&self) -> Vec<Arc<Delivery>> {
        self.live.lock().clone()
    }

    /// Runs a task until it is done or the relay stops for good.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = task => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Takes a block and sends it on its way; returns at once. A block that is known already, in these bytes, joins
    /// its running delivery, or gets the finished one to look at.
    pub fn submit(self: &Arc<Self>, submission: Submission) -> Arc<Delivery> {
        let header = submission.bytes.first_chunk::<{ Header::LEN }>().map(|fixed| Header::new(*fixed));
        let block = header.as_ref().map_or(BlockHash::ZERO, |header| self.chain.block_hash(header));
        let parent = header.as_ref().map_or(BlockHash::ZERO, Header::parent);
        let delivery = Arc::new(Delivery::new(
            block,
            parent,
            &submission,
            &self.nodes,
            self.settings.acknowledge,
            self.chain.finality().map(|finality| finality.word()),
            rand::random(),
        ));
        if let Some(known) = self.join(&delivery, &submission) {
            if known.read(|state| matches!(state.journal, JournalState::NotDurable { .. })) {
                self.write_to_journal(&known, &submission, None);
            }
            tracing::info!(chain = self.name(), %block, source = submission.source.as_str(), "block handed in again");
            return known;
        }
        self.live.lock().push(delivery.clone());
        // Costs nothing while nobody listens; who does hears of the block before he hears what a node says of it.
        self.events.tell(self.name(), "block", || {
            let (size, source) = (submission.bytes.len(), submission.source.as_str());
            json!({ "block": block.to_string(), "size": size, "source": source })
        });
        // Peers wait for the inspection. Without any, nothing is to take a processor from what is written to the nodes.
        let is_awaited = !self.peers.ready().is_empty();
        if is_awaited {
            self.inspect(&delivery, submission.bytes.clone());
        }
        let request = self.submit_to_nodes(&delivery, &submission);
        if !is_awaited {
            self.inspect(&delivery, submission.bytes.clone());
        }
        self.write_to_journal(&delivery, &submission, request);
        tracing::info!(
            chain = self.name(),
            %block,
            size = submission.bytes.len(),
            source = submission.source.as_str(),
            "block received"
        );
        delivery
    }

    /// The delivery that a submission joins: a running one of the same bytes. One that has ended, or that the nodes have
    /// refused, makes way: the nodes are asked anew, for what they said then may not hold any more.
    fn join(&self, delivery: &Arc<Delivery>, submission: &Submission) -> Option<Arc<Delivery>> {
        let known = {
            let mut recent = self.recent.lock();
            let known = recent.insert(delivery.block(), &delivery.digest, delivery.clone())?;
            if known.read(|state| state.retired || state.forgotten || state.is_refused_for_good()) {
                known.update(|state| state.replaced = true);
                recent.replace(delivery.block(), &delivery.digest, delivery.clone());
                return None;
            }
            known
        };
        known.repeat(submission);
        Some(known)
    }

    fn submit_to_nodes(
        self: &Arc<Self>,
        delivery: &Arc<Delivery>,
        submission: &Submission,
    ) -> Option<SubmitRequest> {
        if self.nodes.is_empty() {
            return None;
        }
        let request = match &submission.hex {
            Some(digits) => SubmitRequest::from_hex(digits.clone()),
            None => SubmitRequest::from_bytes(&submission.bytes),
        };
        let mut submits: Vec<_> = self
            .nodes
            .iter()
            .map(|node| {
                Box::pin(self.clone().submit_to_node(node.clone(), delivery.clone(), request.clone()))
            })
            .collect();
        // Other threads take a moment to wake up, and then have a quarter of the work. This one does not wait for them.
        let own = (AT_ONCE / request.size()).min(submits.len() - submits.len() / 4);
        let others = submits.split_off(own);
        others.into_iter().for_each(|submit| self.spawn(submit));
        // Each is polled once, which writes to the socket; what then has to wait becomes a task. Not before all have been
        // written, for that, too, wakes threads, which take the processor.
        submits.retain_mut(|submit| {
            // A crash is the end of this one only: the caller goes on, as it would if a task had crashed.
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| submit.now_or_never()));
            matches!(polled, Ok(None))
        });
        submits.into_iter().for_each(|submit| self.spawn(submit));
        Some(request)
    }

    fn write_to_journal(
        self: &Arc<Self>,
        delivery: &Arc<Delivery>,
        submission: &Submission,
        request: Option<SubmitRequest>,
    ) {
        if submission.on_disk {
            let after = delivery.since_received();
            return delivery.update(|state| state.journal = JournalState::Durable { after });
        }
        let (relay, delivery, block) = (self.clone(), delivery.clone(), submission.bytes.clone());
        // Tracked and not cancelled: a block that is being written when we stop is still to be written.
        self.tasks.spawn(async move {
            // The journal's thread would take the processor from those that send. Nobody is told of the block before it
            // is on disk, and what the kernel has of it outlives us, too.
            if let Some(request) = request {
                let (Ok(()) | Err(_)) = timeout(JOURNAL_AFTER, request.written_to(relay.nodes.len())).await;
            }
            let chain = relay.name().into();
            let entry = Entry { key: relay.journal_key(&delivery), chain, meta: Bytes::new(), block };
            relay.see_to_disk(delivery, entry).await;
        });
    }

    /// Waits until a block is on disk, and says so when the journal does and not before: where the disk refused it, the
    /// journal is asked again once it works, for only its answer about this very block is proof.
    async fn see_to_disk(self: Arc<Self>, delivery: Arc<Delivery>, entry: Entry) {
        loop {
            let error = match self.journal.append(entry.clone()).await {
                Ok(durable) => {
                    self.metrics.journal_append(durable.took);
                    let after = durable.synced_at.saturating_duration_since(delivery.received_at);
                    delivery.update(|state| state.journal = JournalState::Durable { after });
                    // A node may have taken it before the record was there to be closed.
                    return self.close_if_done(&delivery);
                }
                Err(error) => error,
            };
            let (chain, block) = (self.name(), delivery.block());
            tracing::error!(chain, %block, %error, "block is not on disk; it is sent all the same");
            delivery.update(|state| state.journal = JournalState::NotDurable { why: error.to_string() });
            if !matches!(error, NotDurable::Storage(_)) {
                return;
            }
            let mut health = self.journal.watch();
            let recovered = tokio::select! {
                health = health.wait_for(|health| health.durable) => health.is_ok(),
                () = delivery.until(State::is_done) => false,
                () = self.stop.cancelled() => false,
            };
            if !recovered {
                return;
            }
        }
    }

    /// The journal's key: the chain and the submitted bytes.
    pub(crate) fn journal_key(&self, delivery: &Delivery) -> Key {
        let mut bytes = self.name().as_bytes().to_vec();
        bytes.extend_from_slice(delivery.digest.get());
        Key::new(sha256d(&bytes))
    }

    /// Inspects a block on a thread for such work, which then sends it, too: handing it back first would take longer
    /// than sending it to several peers.
    fn inspect(self: &Arc<Self>, delivery: &Arc<Delivery>, bytes: Bytes) {
        let (relay, delivery) = (self.clone(), delivery.clone());
        self.spawn(async move {
            if relay.peers.ready().is_empty() {
                // Nobody waits for it, and the nodes' requests, which are on their way, have use for the processors.
                let answered = delivery.until(|state| state.nodes.iter().all(|node| node.answered.is_some()));
                let (Ok(()) | Err(_)) = timeout(NODES_FIRST, answered).await;
            }
            relay.inspect_now(delivery, bytes).await;
        });
    }

    async fn inspect_now(self: &Arc<Self>, delivery: Arc<Delivery>, bytes: Bytes) {
        let inspection = {
            let (inspector, delivery) = (self.clone(), delivery.clone());
            // Tracked: a relay that has shut down holds on to nothing any more.
            self.tasks.spawn_blocking(move || {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
                let inspection = inspector.chain.inspect(&bytes, u32::try_from(now).unwrap_or(u32::MAX));
                inspector.inspected(&delivery, inspection, &bytes);
            })
        };
        if let Err(panic) = inspection.await {
            tracing::error!(%panic, "the inspection of a block crashed; the block goes to the nodes only");
            let finding = Finding::error("inspection-crashed", "a judgement", panic.to_string());
            let inspection = Inspection { hash: None, findings: vec![finding], block: None };
            self.inspected(&delivery, inspection, &Bytes::new());
        }
    }

    fn inspected(self: &Arc<Self>, delivery: &Arc<Delivery>, inspection: Inspection, submitted: &Bytes) {
        let after = delivery.since_received();
        for finding in &inspection.findings {
            tracing::warn!(chain = self.name(), block = %delivery.block(), %finding, severity = ?finding.severity, "finding");
        }
        let sound = inspection.is_sound();
        let block = inspection.block.map(Arc::new);
        let canonical = block.as_ref().map(|block| {
            // Usually nothing had to be mended, and these are the very bytes that were hashed when they came.
            let same = std::ptr::eq(&*block.bytes, &**submitted);
            if same { delivery.digest.clone() } else { Arc::new(Digest::of(block.bytes.clone())) }
        });
        delivery.update(|state| {
            state.canonical = canonical;
            // What was found out meanwhile (a lock that forbids it) stands behind what the block itself tells.
            let later = std::mem::replace(&mut state.findings, inspection.findings);
            state.findings.extend(later);
            state.height = block.as_ref().and_then(|block| block.height);
            state.merged_with = block.as_ref().and_then(|block| self.chain.parent_block(&block.header));
            state.block = block.clone();
        });
        let mut lanes = Vec::new();
        // Before anything is sent: a lock may forbid the block.
        let dead = self.judge_fate(delivery);
        match block {
            Some(block) if sound && !dead => {
                if self.contradicts_its_parent(delivery, &block) {
                    // That has kept it off.
                } else if delivery.read(State::is_refused_for_good) {
                    self.keep_off_p2p(delivery, WithheldReason::Refused);
                } else {
                    lanes = self.deliver_to_peers(delivery, &block);
                }
            }
            _ => self.keep_off_p2p(delivery, WithheldReason::Finding),
        }
        delivery.update(|state| state.inspected = Some(after));
        net::volley(&lanes);
    }

    /// Puts a sound block where peers can ask for it.
    pub(crate) fn shelve(&self, block: &Arc<IndexedBlock>) {
        self.shelf.lock().put(block.clone());
        self.admit(&mut self.headers.lock(), block.hash, block.header.clone());
    }

    /// The chain's actors have crashed. A delivery that was running at two crashes may be their cause: it goes to the
    /// nodes only from then on, and says so.
    pub fn note_crash(&self) {
        for delivery in self.live() {
            let suspect = delivery.update(|state| {
                if !state.is_answered_by_peers() || !state.is_judged_for_good() {
                    state.crashes += 1;
                }
                state.crashes >= 2
            });
            if suspect {
                self.shelf.lock().remove(&delivery.block());
                self.keep_off_p2p(&delivery, WithheldReason::Quarantined);
            }
        }
        self.metrics.restart();
    }

    /// Lets running deliveries finish for at most `limit`, then ends every connection and task. What is not done by
    /// then is in the journal.
    pub async fn shut_down(self: &Arc<Self>, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        for delivery in self.live() {
            let done = delivery.until(|state| state.is_answered_by_peers() && state.is_judged_for_good());
            if tokio::time::timeout_at(deadline, done).await.is_err() {
                let chain = self.name();
                tracing::warn!(chain, block = %delivery.block(), "not finished; what no node has is in the journal");
            }
        }
        self.write_down_the_last().await;
        self.stop.cancel();
        self.peers.all().iter().for_each(|peer| peer.close());
        self.tasks.close();
        if tokio::time::timeout(Duration::from_secs(2), self.tasks.wait()).await.is_err() {
            tracing::warn!(chain = self.name(), tasks = self.tasks.len(), "tasks did not end in time");
        }
    }
}
