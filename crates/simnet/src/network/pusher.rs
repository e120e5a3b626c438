//! The relay of a simulated network: our own sessions and trackers, driven as the real relay drives them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use chain::{IndexedBlock, Target, Work};
use protocol::{
    PeerId,
    delivery::{Tracker, WithheldReason},
    headers::{HeaderView, PeerChain},
    session::{Event, Introduction, Output, Session, Shelf},
};
use wire::{BlockHash, GetHeaders, Header, Message, NetworkAddress};

use crate::{ChainState, ConnectionId, Minted, Parent, Profile};

/// Something that the relay wants done.
pub(super) enum Act {
    Send { connection: ConnectionId, message: Message },
    Close { connection: ConnectionId },
}

/// What a node is called in deliveries.
pub(super) fn name(index: usize) -> String {
    format!("node-{index}")
}

struct Talk {
    session: Session,
    name: String,
    ready: bool,
    chain: PeerChain,
}

/// How long after a push what is heard of it still counts. Much longer than a delivery stays open.
const FOLLOWED: Duration = Duration::from_secs(600);

/// A block that is being delivered.
struct Push {
    at: Duration,
    block: Arc<IndexedBlock>,
    tracker: Tracker,
    /// The nonce of the ping behind the block.
    barrier: u64,
}

/// What the sessions answer with.
struct Stock {
    profile: Arc<Profile>,
    view: HeaderView,
    blocks: HashMap<BlockHash, Arc<IndexedBlock>>,
}

pub(super) struct Pusher {
    base: Instant,
    stock: Stock,
    past: Parent,
    talks: BTreeMap<ConnectionId, Talk>,
    pushes: Vec<Push>,
    acts: VecDeque<Act>,
    now: Duration,
}

impl Pusher {
    /// A relay that knows the chain of `origin`.
    pub(super) fn new(profile: Arc<Profile>, origin: &ChainState, base: Instant) -> Self {
        let mut view = HeaderView::new();
        for height in 0..=origin.height() {
            let Some((hash, header)) = origin.at(height).and_then(|hash| Some((hash, origin.header(&hash)?)))
            else {
                break;
            };
            if height == 0 {
                view.anchor(hash, header.clone(), 0);
            } else {
                view.insert(hash, header.clone(), work(header));
            }
        }
        let stock = Stock { profile, view, blocks: HashMap::new() };
        let (talks, acts) = (BTreeMap::new(), VecDeque::new());
        Self { base, stock, past: origin.next(), talks, pushes: Vec::new(), acts, now: Duration::ZERO }
    }

    /// The tip of the network's past.
    pub(super) fn past(&self) -> Parent {
        self.past
    }

    pub(super) fn tracker(&self, push: usize) -> &Tracker {
        &self.pushes[push].tracker
    }

    pub(super) fn poll(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    pub(super) fn dialled(&mut self, id: ConnectionId, index: usize, now: Duration) {
        self.now = now;
        let introduction = Introduction {
            // Unlike any node's, and unlike every other connection's.
            nonce: id.0 ^ 0x5e55_10e5_5e55_10e5,
            user_agent: "/Blockcast:simulated/".into(),
            timestamp: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            receiver: NetworkAddress::UNSPECIFIED,
            start_height: 0,
            gossip: false,
        };
        let session = Session::new(self.stock.profile.chain.clone(), introduction, self.instant());
        let talk = Talk { session, name: name(index), ready: false, chain: PeerChain::new(None) };
        self.talks.insert(id, talk);
        self.drive(id);
    }

    pub(super) fn hear(&mut self, id: ConnectionId, message: Message, now: Duration) {
        self.now = now;
        let instant = self.instant();
        let Some(talk) = self.talks.get_mut(&id) else { return };
        talk.session.handle(message, &self.stock, instant);
        self.drive(id);
    }

    pub(super) fn tick(&mut self, now: Duration) {
        self.now = now;
        let instant = self.instant();
        let ids: Vec<ConnectionId> = self.talks.keys().copied().collect();
        for id in ids {
            if let Some(talk) = self.talks.get_mut(&id) {
                talk.session.tick(&self.stock, instant);
                self.drive(id);
            }
        }
        let timeout = self.stock.profile.chain.session_policy().delivery_timeout;
        self.followed().for_each(|push| drop(push.tracker.expire(timeout, instant)));
    }

    pub(super) fn ended(&mut self, id: ConnectionId, now: Duration) {
        self.now = now;
        let instant = self.instant();
        if self.talks.remove(&id).is_some() {
            self.followed().for_each(|push| drop(push.tracker.disconnected(PeerId(id.0), instant)));
        }
    }

    /// Delivers a block to everybody who is connected and known to have its parent.
    pub(super) fn push(&mut self, minted: &Minted, now: Duration) -> usize {
        self.now = now;
        let inspection = self.stock.profile.chain.inspect(&minted.bytes, u32::MAX);
        // A flawed block is delivered too, if it can be read: this is where one sees what peers do then.
        let block = Arc::new(inspection.block.expect("a minted block can be read to its end"));
        self.stock.view.insert(minted.hash, minted.header.clone(), work(&minted.header));
        self.stock.blocks.insert(minted.hash, block.clone());
        let barrier = 0xb10c_0000_0000_0000 | self.pushes.len() as u64;
        let tracker = Tracker::new(minted.hash, minted.parent);
        self.pushes.push(Push { at: now, block, tracker, barrier });
        let push = self.pushes.len() - 1;
        let ids: Vec<ConnectionId> = self.talks.keys().copied().collect();
        ids.into_iter().for_each(|id| self.offer(push, id));
        push
    }

    /// Sends a block to a peer if nothing stands between them.
    fn offer(&mut self, push: usize, id: ConnectionId) {
        let instant = self.instant();
        let (Some(talk), peer) = (self.talks.get_mut(&id).filter(|talk| talk.ready), PeerId(id.0)) else {
            return;
        };
        let Push { block, tracker, barrier, .. } = &mut self.pushes[push];
        if !tracker.may_send(peer) {
            return;
        }
        let parent = block.header.parent();
        if talk.chain.announced(&block.hash) {
            tracker.already_had(peer, &talk.name, instant);
            return;
        }
        if !talk.chain.has(parent, None, &self.stock.view) {
            tracker.withheld(peer, &talk.name, WithheldReason::ParentUnknown, instant);
            return;
        }
        if !tracker.queued(peer, &talk.name, instant) {
            return;
        }
        let protocol = self.stock.profile.chain.session_policy().protocol as u32;
        let probe = GetHeaders { protocol, locator: vec![parent], stop: BlockHash::ZERO };
        for message in
            [Message::Block(block.bytes.clone()), Message::GetHeaders(probe), Message::Ping(*barrier)]
        {
            self.acts.push_back(Act::Send { connection: id, message });
        }
        // A kernel takes a block at once, or so it seems to whoever hands it over.
        tracker.written(peer, instant, instant);
        talk.chain.assume(block.hash);
    }

    /// Carries out what a session asks for.
    fn drive(&mut self, id: ConnectionId) {
        while let Some(output) = self.talks.get_mut(&id).and_then(|talk| talk.session.poll()) {
            match output {
                Output::Send(message) => self.acts.push_back(Act::Send { connection: id, message }),
                // Messages come whole here, and bounded by what a node sends.
                Output::RaiseLimit(_) => {}
                Output::Event(event) => self.note(id, event),
                Output::Disconnect(_) => {
                    self.acts.push_back(Act::Close { connection: id });
                    self.ended(id, self.now);
                }
            }
        }
    }

    fn note(&mut self, id: ConnectionId, event: Event) {
        let (instant, peer) = (self.instant(), PeerId(id.0));
        let Some(talk) = self.talks.get_mut(&id) else { return };
        match event {
            Event::Ready { start_height, .. } => {
                talk.ready = true;
                talk.chain = PeerChain::new(start_height);
                self.offer_all(id);
            }
            Event::Announced { block, via } if via.is_proof() => {
                talk.chain.learn(block, &self.stock.view);
                self.followed().filter(|push| push.block.hash == block).for_each(|push| {
                    push.tracker.announced(peer, instant);
                });
                self.offer_all(id);
            }
            Event::Headers { headers, via } if via.is_proof() => self.note_headers(id, headers),
            Event::Pong(nonce) => {
                self.followed().filter(|push| push.barrier == nonce).for_each(|push| {
                    push.tracker.pong(peer, instant);
                });
            }
            Event::Rejected { block, reason } => {
                self.followed().filter(|push| push.block.hash == block).for_each(|push| {
                    push.tracker.rejected(peer, &reason, instant);
                });
            }
            _ => {}
        }
    }

    fn note_headers(&mut self, id: ConnectionId, headers: Vec<Header>) {
        let instant = self.instant();
        let name = |header| (self.stock.profile.chain.block_hash(&header), header);
        let named: Vec<_> = headers.into_iter().map(name).collect();
        self.followed().for_each(|push| {
            push.tracker.headers(PeerId(id.0), &named, instant);
        });
        // Every node of this network is taken for one of our own: what connects is believed.
        for (hash, header) in &named {
            self.stock.view.insert(*hash, header.clone(), work(header));
        }
        if let (Some((last, _)), Some(talk)) = (named.last(), self.talks.get_mut(&id)) {
            talk.chain.learn(*last, &self.stock.view);
        }
        self.offer_all(id);
    }

    /// Looks again at every push that a peer has not been sent.
    fn offer_all(&mut self, id: ConnectionId) {
        // Old blocks are somebody else's to bring: a peer that is new learns the chain from its own peers.
        const RECENT: usize = 2;
        (self.pushes.len().saturating_sub(RECENT)..self.pushes.len()).for_each(|push| self.offer(push, id));
    }

    /// The pushes of which something may still be heard.
    fn followed(&mut self) -> impl Iterator<Item = &mut Push> {
        let now = self.now;
        self.pushes.iter_mut().rev().take_while(move |push| push.at + FOLLOWED >= now)
    }

    fn instant(&self) -> Instant {
        self.base + self.now
    }
}

impl Shelf for Stock {
    fn block(&self, hash: &BlockHash) -> Option<Arc<IndexedBlock>> {
        self.blocks.get(hash).cloned()
    }

    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash) -> Vec<Header> {
        self.view.after(locator, stop)
    }

    fn locator(&self) -> Vec<BlockHash> {
        self.view.locator(self.profile.chain.params().genesis)
    }

    fn knows(&self, hash: &BlockHash) -> bool {
        self.view.contains(hash)
    }
}

fn work(header: &Header) -> Work {
    Target::from_compact(header.bits()).map_or(Work::ZERO, Target::work)
}
