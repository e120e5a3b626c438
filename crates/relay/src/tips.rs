//! Blocks of others: who brings them to us first, and passing them on.
//!
//! A new tip goes on by announcement only, body on request, and only if [others have judged it](protocol::tips) and we
//! hold a sound body of it: what we announce we serve. All of that happens on tasks of its own. A block of ours meets
//! none of it: the hot path takes no lock that is held here for longer than a look.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use chain::{IndexedBlock, unhex};
use net::Plan;
use parking_lot::Mutex;
use protocol::{
    PeerId,
    announcements::{Announcement, Announcements},
    finality::Standing,
    tips::Tips,
    verdict::Position,
};
use serde_json::json;
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};
use wire::{BlockHash, Header, InvItem, Message};

use crate::{Node, NodeHealth, Peer, PeerNotice, Relay, chainwatch::work, nodes::position, shelf::Shelved};

/// How many blocks of others are held to be served. Peers ask for a block within seconds of hearing of it.
const SHELF: usize = 4;

/// By how many blocks the view may grow at a time and still be up to date: whatever brings more is catching up.
const FEW: usize = 3;

/// How many peers are asked for a body, one after the other.
const SOURCES: usize = 3;

/// How long a peer may take to send a body. A few megabytes over a bad line.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// How long a node may take to give a body.
const NODE_WITHIN: Duration = Duration::from_secs(5);

/// What is known of the blocks of others.
#[derive(Debug)]
pub(crate) struct Others {
    announcements: Mutex<Announcements>,
    tips: Mutex<Tips>,
    /// Sound bodies of what was passed on, to be served. Our own blocks have a shelf of their own, which nobody else's can
    /// displace them from.
    shelf: Mutex<Shelved>,
    /// Headers that are being checked for work, by one peer's word each.
    checking: Mutex<HashSet<BlockHash>>,
    /// Bodies that peers were asked for. A request ends when its sender is dropped.
    requests: Mutex<HashMap<(PeerId, BlockHash), oneshot::Sender<Bytes>>>,
    /// Bodies are inspected one at a time, so that they do not keep our own block waiting.
    inspections: Semaphore,
}

/// Why a tip is not passed on.
enum Obstacle {
    /// It never should be, and why.
    ForGood(String),
    /// Nobody gave its body.
    NoBody,
}

impl Others {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            announcements: Mutex::default(),
            tips: Mutex::new(Tips::new(now)),
            shelf: Mutex::new(Shelved::of(SHELF)),
            checking: Mutex::default(),
            requests: Mutex::default(),
            inspections: Semaphore::new(1),
        }
    }

    /// A connection is ready. Our own nodes run in no race: they are not there to be chosen.
    pub(crate) fn joined(&self, peer: &Peer, now: Instant) {
        if !peer.kind.is_own() {
            self.announcements.lock().joined(peer.id, now);
        }
    }

    /// A connection has ended.
    pub(crate) fn forget(&self, peer: PeerId) {
        self.announcements.lock().forget(peer);
        self.requests.lock().retain(|(asked, _), _| *asked != peer);
    }

    /// Whether a peer was asked for a body that has not come.
    pub(crate) fn awaits(&self, peer: PeerId, block: BlockHash) -> bool {
        self.requests.lock().contains_key(&(peer, block))
    }

    /// A body that was asked for has come.
    pub(crate) fn arrived(&self, peer: PeerId, block: BlockHash, body: Bytes) {
        if let Some(request) = self.requests.lock().remove(&(peer, block)) {
            // Whoever asked may just have lost patience.
            drop(request.send(body));
        }
    }

    /// A body that was asked for will not come.
    pub(crate) fn missing(&self, peer: PeerId, block: BlockHash) {
        self.requests.lock().remove(&(peer, block));
    }
}

impl Relay {
    /// A peer has said, by a message that proves it, that it has a block.
    pub(crate) fn heard_of(self: &Arc<Self>, peer: &Arc<Peer>, block: BlockHash, now: Instant) {
        if self.is_ours(&block) {
            return;
        }
        if peer.kind.is_own() {
            self.sightings.lock().at_node(peer.name(), block, now);
        } else {
            self.sightings.lock().announced(peer.id, peer.name(), block, now);
        }
        let counted = self.others.announcements.lock().announced(block, peer.id, now);
        counted.into_iter().for_each(|announcement| tell(peer, announcement));
        self.add_evidence(peer, &block);
        self.pass_on_if_due(block);
    }

    fn add_evidence(&self, peer: &Peer, block: &BlockHash) {
        let mut tips = self.others.tips.lock();
        if peer.kind.is_own() {
            tips.at_node(block);
        } else if let Some(group) = peer.group() {
            tips.announced(block, group);
        }
    }

    /// Whether a block is one that was handed in to us, or that a node makes of work that was.
    fn is_ours(&self, block: &BlockHash) -> bool {
        // One lock at a time.
        let on_its_way = self.live.lock().iter().any(|delivery| delivery.block() == *block);
        let held = on_its_way || self.shelf.lock().get(block).is_some();
        held || self.solutions.lock().iter().any(|solution| solution.block == *block)
    }

    /// The view has grown by `grown` headers to this block, or it had it already. `at_node`: a node of ours says so.
    pub(crate) fn tip_in_view(self: &Arc<Self>, block: BlockHash, grown: usize, at_node: bool) {
        let parent = {
            let headers = self.headers.lock();
            let is_tip = grown <= FEW && headers.tip() == Some(block);
            headers.header(&block).filter(|_| is_tip).map(Header::parent)
        };
        let Some(parent) = parent.filter(|_| !self.is_ours(&block)) else { return };
        self.tip_known(block, parent);
        if at_node {
            self.others.tips.lock().at_node(&block);
        }
        self.pass_on_if_due(block);
    }

    /// The header of a new tip is known and carries its work: those who announced it before are witnesses.
    fn tip_known(&self, block: BlockHash, parent: BlockHash) {
        if !self.others.tips.lock().learn(block, parent) {
            return;
        }
        let (counted, announcers) = {
            let mut announcements = self.others.announcements.lock();
            (announcements.confirm(block, Instant::now()), announcements.announcers(&block).to_vec())
        };
        for (id, announcement) in counted {
            self.peers.get(id).into_iter().for_each(|peer| tell(&peer, announcement));
        }
        for peer in announcers.into_iter().filter_map(|id| self.peers.get(id)) {
            self.add_evidence(&peer, &block);
        }
    }

    /// A stranger has sent a header that the view lacks. It does not get in there, but if it extends the tip and carries
    /// its work, it is the header of a new tip.
    pub(crate) fn look_into(self: &Arc<Self>, peer: &Arc<Peer>, block: BlockHash, header: Header) {
        let extends = {
            let headers = self.headers.lock();
            let parent = headers.header(&header.parent());
            headers.tip() == Some(header.parent())
                && parent.is_some_and(|parent| claims_enough(&header, parent))
        };
        if !extends || self.others.tips.lock().contains(&block) || self.is_ours(&block) {
            return;
        }
        // One lesson at a time, as with headers that are believed; and one header once.
        let Ok(lesson) = peer.lesson.clone().try_lock_owned() else { return };
        if !self.others.checking.lock().insert(block) {
            return;
        }
        let (relay, peer) = (self.clone(), peer.clone());
        self.spawn(async move {
            let carries = relay.carries_work(&peer, &header).await;
            relay.others.checking.lock().remove(&block);
            drop(lesson);
            if carries {
                relay.tip_known(block, header.parent());
                relay.pass_on_if_due(block);
            }
        });
    }

    /// Whether nothing that we hear can be told from old news.
    fn is_catching_up(&self) -> bool {
        let nodes_are = !self.nodes.is_empty() && self.nodes.iter().all(|node| node.is_catching_up());
        nodes_are || self.headers.lock().is_empty()
    }

    fn pass_on_if_due(self: &Arc<Self>, block: BlockHash) {
        if !self.settings.pass_on_tips || self.is_catching_up() {
            return;
        }
        if !self.others.tips.lock().begin(&block, Instant::now()) {
            return;
        }
        let relay = self.clone();
        self.spawn(async move {
            match relay.sound_body(block).await {
                Ok(body) => relay.announce_tip(&body),
                Err(Obstacle::NoBody) => {
                    tracing::debug!(chain = relay.name(), %block, "nobody gives the body of a new tip");
                    relay.others.tips.lock().failed(&block, false);
                }
                Err(Obstacle::ForGood(why)) => {
                    tracing::warn!(chain = relay.name(), %block, why, "a new tip of others is not passed on");
                    relay.others.tips.lock().failed(&block, true);
                }
            }
        });
    }

    /// The body of a tip: from a node of ours if one has it, else from a peer that announced it.
    async fn sound_body(&self, block: BlockHash) -> Result<Arc<IndexedBlock>, Obstacle> {
        for node in &self.nodes {
            if let Some(body) = self.body_from_node(node, block).await? {
                // If we and our node are not of one mind, nobody else is asked.
                return self.look_at(block, body).await.map_err(Obstacle::ForGood);
            }
        }
        let announcers = self.others.announcements.lock().announcers(&block).to_vec();
        let mut obstacle = Obstacle::NoBody;
        for peer in announcers.into_iter().filter_map(|id| self.peers.get(id)).take(SOURCES) {
            let Some(body) = self.body_from_peer(&peer, block).await else { continue };
            match self.look_at(block, body).await {
                Ok(sound) => return Ok(sound),
                Err(why) => {
                    tracing::debug!(chain = self.name(), peer = peer.name(), %block, why, "unsound body");
                    obstacle = Obstacle::ForGood(why);
                }
            }
        }
        Err(obstacle)
    }

    /// The body from a node of ours, unless it does not have it or cannot be asked.
    async fn body_from_node(&self, node: &Node, block: BlockHash) -> Result<Option<Bytes>, Obstacle> {
        if node.status().health != NodeHealth::Up {
            return Ok(None);
        }
        match timeout(NODE_WITHIN, position(node, block)).await {
            Ok(Ok(Position::Active | Position::Side)) => {}
            Ok(Ok(Position::Invalid)) => {
                return Err(Obstacle::ForGood(format!("node {} holds it to be invalid", node.name())));
            }
            Ok(Ok(Position::Unknown) | Err(_)) | Err(_) => return Ok(None),
        }
        // Where nodes issue aux work, the chain knows how it words this question; all others number their forms.
        let (method, params) = match self.chain.aux_work().map(|rules| rules.whole_block(block)) {
            Some(call) => (call.method, call.params),
            None => ("getblock", json!([block.to_string(), 0])),
        };
        let body = match node.client().call_within::<String>(method, params, NODE_WITHIN).await {
            Ok(hex) => unhex(&hex).map_err(|error| format!("hex: {error}")),
            Err(error) => Err(error.to_string()),
        };
        Ok(body
            .inspect_err(|error| {
                tracing::debug!(chain = self.name(), node = node.name(), %block, error, "no body of a new tip");
            })
            .ok())
    }

    /// The body from a peer, if it sends it in time.
    async fn body_from_peer(&self, peer: &Peer, block: BlockHash) -> Option<Bytes> {
        let (sender, receiver) = oneshot::channel();
        let request = (peer.id, block);
        self.others.requests.lock().insert(request, sender);
        let kind = self.chain.dialect().inv_types().full_block;
        let question = Message::GetData(vec![InvItem::block(kind, block)]);
        let asked = peer.lane.push(Arc::new(Plan::control(self.chain.params().magic, &question)));
        // Whoever took note of the connection's end may have looked before the request was there.
        let body = match asked {
            Ok(()) if !peer.lane.is_closed() => {
                timeout(BODY_WITHIN, receiver).await.ok().and_then(Result::ok)
            }
            _ => None,
        };
        self.others.requests.lock().remove(&request);
        body
    }

    /// Inspects a body on a thread for such work, and holds it against the blocks before.
    async fn look_at(&self, block: BlockHash, body: Bytes) -> Result<Arc<IndexedBlock>, String> {
        let _turn = self.others.inspections.acquire().await.map_err(|closed| closed.to_string())?;
        let chain = self.chain.clone();
        let inspection = self.tasks.spawn_blocking(move || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
            chain.inspect(&body, u32::try_from(now).unwrap_or(u32::MAX))
        });
        let inspection = inspection.await.map_err(|crash| crash.to_string())?;
        if let Some(finding) = inspection.first_error() {
            return Err(finding.to_string());
        }
        let found = inspection.block.filter(|found| found.hash == block).map(Arc::new);
        let found = found.ok_or("it is another block, or none")?;
        let findings = self.against_parent(&found).ok_or("its parent is not known any more")?;
        findings.first().map_or(Ok(found), |finding| Err(finding.to_string()))
    }

    /// Puts a block of others on the shelf and tells of it whoever may want it.
    fn announce_tip(&self, tip: &Arc<IndexedBlock>) {
        let (block, parent) = (tip.hash, tip.header.parent());
        let height = {
            let headers = self.headers.lock();
            let newest = headers.tip().is_some_and(|newest| newest == block || newest == parent);
            headers.height(&parent).filter(|_| newest).map(|parent| parent.saturating_add(1))
        };
        let Some(height) = height.filter(|_| !self.is_ours(&block) && !self.is_dead(tip)) else {
            return tracing::debug!(chain = self.name(), %block, "a tip is left behind, dead or ours: not passed on");
        };
        self.others.shelf.lock().put(tip.clone());
        let plan = |message: &Message| Arc::new(Plan::control(self.chain.params().magic, message));
        let by_header = plan(&Message::Headers(vec![tip.header.clone()]));
        let by_name =
            plan(&Message::Inv(vec![InvItem::block(self.chain.dialect().inv_types().block, block)]));
        let mut told = 0;
        for peer in self.peers.ready().iter().filter(|peer| self.wants(peer, tip, height)) {
            let announcement = if peer.prefers_headers() { &by_header } else { &by_name };
            if let Err(full) = peer.lane.push(announcement.clone()) {
                tracing::debug!(chain = self.name(), peer = peer.name(), %block, %full, "tip not passed on");
                continue;
            }
            // It will not announce to us what it heard from us: so this is all that we shall know, and a block of ours on
            // top must not wait for more. Its header is enough for the peer to take that; its name is not, and whoever
            // has that asks for the rest.
            if peer.prefers_headers() {
                peer.chain.lock().assume(block);
            }
            self.others.announcements.lock().told(block, peer.id);
            told += 1;
        }
        if told > 0 {
            self.metrics.tip_passed_on();
            tracing::info!(chain = self.name(), %block, height, peers = told, "tip of others passed on");
        }
    }

    /// Whether a peer is to be told of a tip of others.
    fn wants(&self, peer: &Peer, tip: &IndexedBlock, height: u32) -> bool {
        if peer.is_observer() && !self.live.lock().is_empty() {
            // It must not hear from us what is built on a block of ours.
            return false;
        }
        let headers = self.headers.lock();
        let theirs = peer.chain.lock();
        let has_as_much =
            self.chain.session_policy().strictly_more_work && theirs.known_height(&headers) >= Some(height);
        // A name makes a peer ask for the header, which only the view serves.
        let can_tell = peer.prefers_headers() || headers.contains(&tip.hash);
        can_tell
            && !has_as_much
            && !theirs.has(tip.hash, Some(height), &headers)
            && theirs.has(tip.header.parent(), None, &headers)
    }

    fn is_dead(&self, block: &IndexedBlock) -> bool {
        let headers = self.headers.lock();
        let standing = self.locks.lock().standing(block.hash, block.header.parent(), block.height, &headers);
        matches!(standing, Standing::Dead { .. })
    }

    /// A block of others that was passed on, as long as it is held and nothing forbids it.
    pub(crate) fn foreign_block(&self, hash: &BlockHash) -> Option<Arc<IndexedBlock>> {
        let block = self.others.shelf.lock().get(hash)?;
        (!self.is_dead(&block)).then_some(block)
    }

    /// A peer was served a block, and will have it before whatever is sent to it now. (Of our own blocks the delivery
    /// knows more.)
    pub(crate) fn served(&self, peer: &Peer, block: BlockHash) {
        if self.others.shelf.lock().get(&block).is_some() {
            peer.chain.lock().assume(block);
        }
    }
}

/// Whether a header claims about as much work as its parent: no retarget makes a block more than four times easier, and a
/// stranger's word that one did is not believed.
pub(crate) fn claims_enough(header: &Header, parent: &Header) -> bool {
    let claimed = work(header);
    claimed + claimed + claimed + claimed >= work(parent)
}

fn tell(peer: &Peer, Announcement { lag, position }: Announcement) {
    peer.notify(PeerNotice::Announced { lag, position });
}
