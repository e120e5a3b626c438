//! The peer table: who is connected, in the order in which they are sent to.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use net::{Closed, DialError, Lane};
use parking_lot::Mutex;
use protocol::{
    PeerId,
    book::{Address, Group, Kind, Priority, Rank},
    delivery::Outcome,
    headers::PeerChain,
    session::GossipAddress,
};

/// Whom to connect to.
#[derive(Debug, Clone)]
pub struct PeerSpec {
    /// `host:port`
    pub address: String,
    /// Why.
    pub kind: Kind,
    /// The book's score.
    pub score: u32,
}

/// What whoever looks after a peer is told.
#[derive(Debug, Clone)]
pub enum PeerNotice {
    /// The handshake is done.
    Ready,
    /// A delivery to it has an outcome, so long after the block was written to its socket.
    Outcome(Outcome, Option<Duration>),
    /// It has returned a ping.
    RoundTrip(Duration),
    /// It says where others are.
    Addresses(Arc<[GossipAddress]>),
    /// It does what no honest daemon does.
    Fault(&'static str),
    /// It has announced a new block of others, of which it did not hear from us.
    Announced {
        /// How long after the first peer that announced it; zero for the first.
        lag: Duration,
        /// Its place among the peers that did: 1 for the first.
        position: u32,
    },
    /// The connection has ended, or was never made.
    Ended(Arc<Ended>),
}

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// It was never made.
    #[error(transparent)]
    NotDialled(#[from] DialError),
    /// It ended before the handshake was done.
    #[error("during the handshake: {0}")]
    NotReady(Closed),
    /// The handshake was fine, and we want no more of it.
    #[error(transparent)]
    Refused(Refusal),
    /// It ended later.
    #[error(transparent)]
    Closed(Closed),
}

/// Why a peer that greets as it should is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Under another address we are connected to it already.
    #[error("the same as {0}, which is connected")]
    Duplicate(String),
    /// It is so far behind that no block of ours will be of use to it for long.
    #[error("too far behind: at height {height}, and the chain is at {tip}")]
    FarBehind {
        /// Where it is, as it says.
        height: u32,
        /// Where the chain is, as we know it.
        tip: u32,
    },
}

impl Refusal {
    /// A stable word for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Duplicate(_) => "duplicate",
            Self::FarBehind { .. } => "far_behind",
        }
    }
}

impl Ended {
    /// A stable word for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotDialled(error) => error.kind(),
            Self::Refused(refusal) => refusal.kind(),
            Self::NotReady(closed) | Self::Closed(closed) => closed.kind(),
        }
    }
}

/// What the peer said of itself, and what we found out.
#[derive(Debug, Clone, Default)]
pub struct PeerInfo {
    /// Its protocol version.
    pub protocol: i32,
    /// Its services, as bits.
    pub services: u64,
    /// Its software.
    pub user_agent: String,
    /// The last round trip of a ping.
    pub round_trip: Option<Duration>,
    /// The compact block format that it takes, if any.
    pub compact_version: Option<u64>,
    /// Whether it wants to be told of blocks by their headers.
    pub prefers_headers: bool,
}

/// Whose doing the end of a connection was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Ours: we had no more use for it, or are shutting down.
    Us,
    /// The peer's: it hung up.
    Peer,
    /// Neither's, or both's: it took no bytes any more, or the socket failed.
    Other,
}

type Listener = Box<dyn Fn(PeerNotice) + Send + Sync>;

/// One live connection.
pub struct Peer {
    /// The connection's number.
    pub id: PeerId,
    /// `host:port`, as it was dialled.
    pub address: String,
    /// Why we are connected.
    pub kind: Kind,
    /// When the connection was begun.
    pub since: Instant,
    pub(crate) lane: Lane,
    ready: AtomicBool,
    observer: AtomicBool,
    score: AtomicU32,
    faults: AtomicU32,
    info: Mutex<PeerInfo>,
    pub(crate) chain: Mutex<PeerChain>,
    /// Held while headers that it announced are looked into.
    pub(crate) lesson: Arc<tokio::sync::Mutex<()>>,
    audience: Mutex<Audience>,
    /// Where the connection leads; `None` before there is one.
    pub(crate) remote: Mutex<Option<SocketAddr>>,
    /// Why we close it, if that is more than having been asked to.
    pub(crate) refusal: Mutex<Option<Refusal>>,
    /// How it ended, in the words of [`Ended::kind`].
    pub(crate) ending: Mutex<Option<&'static str>>,
}

/// Who is told what happens, and the last that there was to tell.
#[derive(Default)]
struct Audience {
    listener: Option<Listener>,
    ended: Option<Arc<Ended>>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("id", &self.id).field("address", &self.address).finish_non_exhaustive()
    }
}

impl Peer {
    /// The name in reports: a node's name, or the address.
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Own { node } => node,
            _ => &self.address,
        }
    }

    /// What is known of it.
    pub fn info(&self) -> PeerInfo {
        self.info.lock().clone()
    }

    /// The neighbourhood that it is in, once that is known.
    pub(crate) fn group(&self) -> Option<Group> {
        match *self.remote.lock() {
            // A proxy does not say where a name has led.
            Some(remote) if remote.ip().is_unspecified() => {
                self.address.parse().ok().map(|address: Address| address.group())
            }
            remote => remote.map(|remote| Group::of(remote.ip())),
        }
    }

    /// Whether it wants to be told of blocks by their headers.
    pub(crate) fn prefers_headers(&self) -> bool {
        self.info.lock().prefers_headers
    }

    pub(crate) fn update_info(&self, change: impl FnOnce(&mut PeerInfo)) {
        change(&mut self.info.lock());
    }

    /// Whether the handshake is done.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// Whether it is never pushed to.
    pub fn is_observer(&self) -> bool {
        self.observer.load(Relaxed)
    }

    /// The book's score.
    pub fn score(&self) -> u32 {
        self.score.load(Relaxed)
    }

    /// Counts a fault; how many that makes on this connection.
    pub(crate) fn count_fault(&self) -> u32 {
        self.faults.fetch_add(1, Relaxed) + 1
    }

    /// Who or what ended the connection, if that is over.
    pub fn ending(&self) -> Option<Ending> {
        (*self.ending.lock()).map(|kind| match kind {
            "by_us" => Ending::Us,
            "by_peer" | "reset" => Ending::Peer,
            _ => Ending::Other,
        })
    }

    /// Bytes that wait for it.
    pub fn backlog(&self) -> usize {
        self.lane.backlog()
    }

    /// Whoever looks after it from now on. If the connection has ended already, that is told at once: between two
    /// listeners nobody else would learn of it.
    pub fn listen(&self, listener: impl Fn(PeerNotice) + Send + Sync + 'static) {
        let mut audience = self.audience.lock();
        if let Some(ended) = &audience.ended {
            listener(PeerNotice::Ended(ended.clone()));
        }
        audience.listener = Some(Box::new(listener));
    }

    pub(crate) fn notify(&self, notice: PeerNotice) {
        let mut audience = self.audience.lock();
        if let PeerNotice::Ended(ended) = &notice {
            audience.ended = Some(ended.clone());
        }
        if let Some(listener) = &audience.listener {
            listener(notice);
        }
    }

    /// Ends the connection.
    pub fn close(&self) {
        self.lane.close();
    }

    fn rank(&self) -> (Rank, u32) {
        (self.kind.rank(), self.score())
    }
}

/// When anything last came from any peer.
#[derive(Debug)]
pub(crate) struct LastHeard {
    since: Instant,
    /// Milliseconds after `since`, and one more; 0: never.
    at: AtomicU64,
}

impl Default for LastHeard {
    fn default() -> Self {
        Self { since: Instant::now(), at: AtomicU64::new(0) }
    }
}

impl LastHeard {
    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    pub(crate) fn note(&self) {
        self.at.store(self.now(), Relaxed);
    }

    pub(crate) fn is_within(&self, time: Duration) -> bool {
        match self.at.load(Relaxed) {
            0 => false,
            at => u128::from(self.now().saturating_sub(at)) <= time.as_millis(),
        }
    }
}

/// All connections of a chain. Reading it is lock-free; it changes only when peers come, go or change their score.
#[derive(Debug, Default)]
pub(crate) struct PeerTable {
    next: AtomicU64,
    all: Mutex<HashMap<PeerId, Arc<Peer>>>,
    /// Those with a finished handshake, best first.
    ready: ArcSwap<Vec<Arc<Peer>>>,
    observers: usize,
}

impl PeerTable {
    pub(crate) fn new(observers: usize) -> Self {
        Self { observers, ..Self::default() }
    }

    pub(crate) fn add(&self, spec: PeerSpec, lane_limit: usize) -> Arc<Peer> {
        let peer = Arc::new(Peer {
            id: PeerId(self.next.fetch_add(1, Relaxed) + 1),
            address: spec.address,
            kind: spec.kind,
            since: Instant::now(),
            lane: Lane::new(lane_limit),
            ready: AtomicBool::new(false),
            observer: AtomicBool::new(false),
            score: AtomicU32::new(spec.score),
            faults: AtomicU32::new(0),
            info: Mutex::default(),
            chain: Mutex::default(),
            lesson: Arc::default(),
            audience: Mutex::default(),
            remote: Mutex::default(),
            refusal: Mutex::default(),
            ending: Mutex::default(),
        });
        self.all.lock().insert(peer.id, peer.clone());
        peer
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<Arc<Peer>> {
        self.all.lock().get(&id).cloned()
    }

    /// Who is connected there.
    pub(crate) fn at(&self, place: SocketAddr) -> Option<Arc<Peer>> {
        // Where a proxy leads it does not say.
        let known = !place.ip().is_unspecified();
        self.all.lock().values().find(|peer| known && *peer.remote.lock() == Some(place)).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.all.lock().values().cloned().collect()
    }

    pub(crate) fn ready(&self) -> Arc<Vec<Arc<Peer>>> {
        self.ready.load_full()
    }

    pub(crate) fn set_ready(&self, peer: &Peer) {
        peer.ready.store(true, Relaxed);
        self.arrange();
    }

    pub(crate) fn remove(&self, id: PeerId) {
        self.all.lock().remove(&id);
        self.arrange();
    }

    pub(crate) fn set_score(&self, peer: &Peer, score: u32) {
        if peer.score.swap(score, Relaxed) != score {
            self.arrange();
        }
    }

    /// Puts the ready peers into order and chooses the observers.
    fn arrange(&self) {
        let all = self.all.lock();
        let mut ready: Vec<_> = all.values().filter(|peer| peer.is_ready()).cloned().collect();
        // Each rank is read once: scores change meanwhile, and a sort whose keys change under it panics.
        ready.sort_by_cached_key(|peer| (std::cmp::Reverse(peer.rank()), peer.id));
        self.choose_observers(&ready);
        self.ready.store(Arc::new(ready));
    }

    /// The least important become observers: never critical peers or own nodes, and only while at least as many others
    /// are left to push to. Between peers of one kind whoever observes keeps doing so, so that a block on its way is
    /// not suddenly pushed to its witness.
    fn choose_observers(&self, ready: &[Arc<Peer>]) {
        let remote = ready.iter().filter(|peer| !peer.kind.is_own()).count();
        let critical = Kind::Fixed { priority: Priority::Critical }.rank();
        let mut eligible: Vec<_> = ready.iter().rev().filter(|peer| peer.kind.rank() < critical).collect();
        eligible.sort_by_key(|peer| (peer.kind.rank(), !peer.is_observer()));
        eligible.truncate(self.observers.min(remote / 2));
        for peer in ready {
            peer.observer.store(eligible.iter().any(|observer| observer.id == peer.id), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(table: &PeerTable, address: &str, kind: Kind, score: u32) -> Arc<Peer> {
        let peer = table.add(PeerSpec { address: address.into(), kind, score }, 100);
        table.set_ready(&peer);
        peer
    }

    fn order(table: &PeerTable) -> Vec<String> {
        table.ready().iter().map(|peer| peer.name().to_owned()).collect()
    }

    #[test]
    fn own_nodes_come_first_then_priority_then_score() {
        let table = PeerTable::new(0);
        add(&table, "c", Kind::Discovered(protocol::book::Source::Node), 500);
        add(&table, "b", Kind::Fixed { priority: Priority::Normal }, 10);
        add(&table, "a", Kind::Own { node: "node".into() }, 0);
        let low = add(&table, "d", Kind::Discovered(protocol::book::Source::Node), 400);
        assert_eq!(order(&table), ["node", "b", "c", "d"]);
        table.set_score(&low, 600);
        assert_eq!(order(&table), ["node", "b", "d", "c"]);
        table.remove(low.id);
        assert_eq!(order(&table), ["node", "b", "c"]);
    }

    #[test]
    fn scores_may_change_while_the_peers_are_put_into_order() {
        let table = PeerTable::new(1);
        let peers: Vec<_> = (0..256)
            .map(|n| add(&table, &format!("peer{n}"), Kind::Discovered(protocol::book::Source::Node), n))
            .collect();
        std::thread::scope(|scope| {
            let arranging = scope.spawn(|| (0..2_000).for_each(|_| table.arrange()));
            for round in (0u32..).take_while(|_| !arranging.is_finished()) {
                let peer = &peers[round as usize % peers.len()];
                peer.score.store(round.wrapping_mul(2_654_435_761) >> 20, Relaxed);
            }
        });
    }

    #[test]
    fn whoever_begins_to_listen_after_the_end_is_told_of_it() {
        let table = PeerTable::new(0);
        let peer = add(&table, "a", Kind::Discovered(protocol::book::Source::Node), 0);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = |name: &'static str| {
            let heard = heard.clone();
            move |notice| heard.lock().push((name, matches!(notice, PeerNotice::Ended(_))))
        };
        peer.listen(listener("first"));
        peer.notify(PeerNotice::Ready);
        peer.notify(PeerNotice::Ended(Arc::new(Ended::Closed(Closed::ByPeer))));
        peer.listen(listener("second"));
        assert_eq!(*heard.lock(), [("first", false), ("first", true), ("second", true)]);
    }

    #[test]
    fn the_last_in_order_observes_and_keeps_observing_and_nobody_does_who_is_needed() {
        let table = PeerTable::new(1);
        let fixed = |priority| Kind::Fixed { priority };
        let only = add(&table, "only", fixed(Priority::Normal), 100);
        assert!(!only.is_observer(), "the only peer is there to be pushed to");
        let high = add(&table, "high", fixed(Priority::High), 100);
        assert!(only.is_observer() && !high.is_observer());
        let equal = add(&table, "equal", fixed(Priority::Normal), 1);
        assert!(only.is_observer() && !equal.is_observer(), "whoever observes keeps doing so");
        let stranger = add(&table, "stranger", Kind::Discovered(protocol::book::Source::Node), 900);
        assert!(
            stranger.is_observer() && !only.is_observer(),
            "strangers before those whom the operator named"
        );
        table.remove(stranger.id);
        assert!(equal.is_observer(), "the last in order");
    }
}
